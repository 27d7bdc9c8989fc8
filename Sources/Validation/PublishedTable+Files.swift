extension PublishedTable {
  /// Published training runs; the rows name their papers.
  static let runs = PublishedTable(PackageResources.runs_csv)

  /// Step times of Megatron on Selene (arXiv 2205.05198 table 5), one row for every other simulator
  /// whose prediction stands beside them.
  static let megatron = PublishedTable(PackageResources.megatron_a100_with_peer_predictions_csv)

  /// Step times of Megatron-DeepSpeed on up to 512 A100s (VIA-Research/vTrain,
  /// `data/ground_truth_multi.csv`).
  static let vTrainNodes = PublishedTable(PackageResources.vtrain_a100_multi_node_csv)

  /// Step times of Megatron-DeepSpeed on one node (VIA-Research/vTrain,
  /// `data/ground_truth_single.csv`).
  static let vTrainNode = PublishedTable(PackageResources.vtrain_a100_single_node_csv)

  /// Times of passes, bubble rates and memory of arXiv 2401.10241, tables 3, 4, 5 and 9.
  static let zeroBubble = PublishedTable(PackageResources.zero_bubble_csv)
}
