"""The paper's tables, end to end: train, evaluate, and print the paper's rows beside ours."""
