/// What was decided after its effect on published figures could be seen, and how to undo it.
///
/// Every choice is undone together with those that came after it, so that a column shows what stood
/// there before.
enum Choices {
  /// On the A100s, the last choice first.
  static let a100 = [
    Variant(
      .before, "before the loss operator by operator",
      choice: "Megatron's loss goes over 32-bit logits in eight passes, counted in its source",
      ["plan.fused-loss=true"]),
    Variant(
      .before, "before that and the host's 41 us a kernel, 5 us assumed",
      choice: "eager PyTorch's host takes 41 us a kernel (arXiv 2201.07821); sought after steps of "
        + "small models had been seen to have a floor",
      ["plan.fused-loss=true", "cluster.device.launch.host=5 us"]),
  ]

  /// Without a key: with it went the count of launches.
  static let recordedLaunches =
    "with the host's cost the launches of gradient sums, bias gradients, norms, loss and batch were counted "
    + "in Megatron-DeepSpeed's source; both together, when they came: vTrain on one node 30.8 to 10.6 %, "
    + "zero-bubble throughput 11.4 to 10.4 %, weak scaling 9.5 to 9.4 %, multi-node 9.7 to 9.6 %"

  /// The clock of the A100s was fitted to whole layers of the 22B model.
  static let clock = Variant(
    .before, "before the clock was fitted, 1,410 MHz assumed",
    choice: "the A100's clock under load, 1,347 MHz, is fitted to layers of this model",
    ["cluster.device.clock.loaded=1410 MHz"])

  /// In DeepSeek-V3's step.
  static let head = Variant(
    .before, "before the separate head",
    choice: "the head's products are apart from its loss, as frameworks have them",
    ["plan.fused-head=true"])

  static let seeds = Variant(
    seeds: 1...30, choice: "the seed of the expert load is 1; no rule says which")

  /// The other end of what nobody published: whether the ranks that one exchange loads most are those of
  /// all others.
  static let oneDraw = Variant(
    "one draw of the expert load for all layers and microbatches", seeds: 1...8,
    ["plan.expert-load.correlation={layers: 1, microbatches: 1}"])

  /// Without a key: mechanisms that came after the first comparison.
  static let recordedV3 = [
    "both messages of a DualPipe batch share one adapter: +0.11 s of bubble when it came",
    "the optimizer quantises the weights: +3 ms when it came",
    "with the head fused the first comparison gave a step of 19.40 s, -2.6 %: forward +36, backward for input -33, "
      + "backward for weight -26, overlapped +3, bubble -23 %",
  ]
}
