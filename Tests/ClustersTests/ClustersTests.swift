// Tests of the room Clusters.
