"""What a worker's tests need: real worker processes, and the conformance cards that every worker passes."""
