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

  /// Step times of NVIDIA's recipes on 8 to 2,048 H100s (NVIDIA/dgxc-benchmarking).
  package static let recipeSteps = PublishedTable(PackageResources.h100_steps_csv)

  /// Megatron-Core's scaling, Llama 3.1 405B, MegaScale's baseline and mixtures on H100s; one row for
  /// every quantity of a run.
  package static let moreRuns = PublishedTable(PackageResources.more_runs_csv)

  /// Throughput and memory of PyTorch's own trainer (pytorch/torchtitan).
  package static let torchTitan = PublishedTable(PackageResources.torchtitan_h100_csv)

  /// Throughput of MPT models under FSDP (mosaicml/llm-foundry).
  package static let fsdp = PublishedTable(PackageResources.fsdp_h100_csv)

  /// Throughput of 7B and 8B models from 4K to 1M tokens (NVIDIA/NeMo).
  package static let longSequences = PublishedTable(PackageResources.long_sequences_csv)

  /// Five ways to lay out two mixtures (arXiv 2504.14960 table 3).
  package static let mixtureLayouts = PublishedTable(PackageResources.moe_layouts_h100_csv)

  /// The best published plans of several groups with their runners-up.
  package static let bestPlans = PublishedTable(PackageResources.best_plans_csv)

  /// Steps of reinforcement learning on H100s and H800s, and DeepSeek's online service.
  package static let reinforcement = PublishedTable(PackageResources.rl_throughput_csv)

  /// Peak memory on 8 B200s (MooreThreads/SimuMax).
  package static let memoryB200 = PublishedTable(PackageResources.memory_b200_csv)

  /// Peak memory of Megatron-LM's functional tests, whose arguments are a file of their own.
  package static let memoryTests = PublishedTable(PackageResources.memory_megatron_tests_csv)
}
