"""Loss terms: each one named, unweighted, with its reduction in its docstring; weights are applied by the task."""
