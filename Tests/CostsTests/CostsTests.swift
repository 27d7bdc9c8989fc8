// Tests of the room Costs.
