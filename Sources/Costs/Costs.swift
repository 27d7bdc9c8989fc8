// The room Costs.
