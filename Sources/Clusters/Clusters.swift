// The room Clusters.
