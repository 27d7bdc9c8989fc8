import ArgumentParser
import Clusters
import Costs
import Quantities
import Reports

/// What matrix products have in common.
struct ProductOptions: ParsableArguments {
  @Option(help: "Rows of the result: tokens; in a grouped product, of each group.")
  var m: Int

  @Option(help: "Columns of the result.")
  var n: Int

  @Option(help: "The dimension that is summed over.")
  var k: Int

  @Option(help: "Format of the operands: fp8 or bf16.")
  var precision = MatmulPrecision.bf16

  @Option(
    help: """
      The library of kernels, such as fp8-2025-02: a section of the cluster's device.kernels.matmul; by \
      default the newest one for the format.
      """)
  var library: String?

  @Option(help: "Multiprocessors that the kernel gets; by default all of the device.")
  var sms: Int?

  @Flag(help: "The weight's gradient, which adds to a 32-bit result.")
  var weightGradient = false

  @Option(help: "The clock: loaded, as in training, or boost, as in a benchmark.")
  var clock = ClockState.loaded

  @OptionGroup var options: CostOptions

  func report(groups: Int?) throws -> CostReport {
    let models = try options.models()
    let device = try models.device
    for (name, value) in [("m", m), ("n", n), ("k", k)] {
      try checked(name, value, in: 1...1 << 24)
    }
    let count = try checked(
      "sms", sms ?? device.multiprocessors, in: 1...device.multiprocessors)
    let pass: MatmulPass = weightGradient ? .backwardWeight : .forward
    let shape =
      groups.map {
        MatmulShape(rows: Array(repeating: m, count: $0), columns: n, depth: k, pass: pass)
      } ?? MatmulShape(m: m, n: n, k: k, pass: pass)
    let library = try chosenLibrary(device)
    guard let formula = MatmulCost(device, library: library) else {
      preconditionFailure("A library that was chosen is one of the device's.")
    }
    let cost = formula.cost(shape, multiprocessors: count, clock: clock)
    let tile = formula.tiling(shape, multiprocessors: count, clock: clock)
    let split = tile.parts > 1 ? ", split in \(tile.parts) along k" : ""
    let name = groups.map { "grouped-matmul of \($0) groups" } ?? "matmul"
    return CostReport(
      "\(name) \(m) x \(n) x \(k) in \(precision.rawValue)\(weightGradient ? ", weight gradient" : "")",
      on: models.cluster, cost, flops: shape.flops,
      details: [
        .init("tiles", "\(tile.rows) x \(tile.columns)\(split)"),
        .init("waves", "\(grouped(tile.waves)) over \(count) SMs at the \(clock.rawValue) clock"),
        .init("library", library.rawValue),
      ],
      assumptions: (self.library == nil && device.libraries(for: precision).count > 1
        ? ["products by \(library.rawValue), the newest library of the cluster's file"] : [])
        + models.assumptions(of: "device"))
  }

  /// The library that the command names, or the newest for the format.
  private func chosenLibrary(_ device: DeviceModel) throws -> MatmulLibrary {
    let known = device.libraries(for: precision)
    guard let newest = known.last else {
      throw CommandError(
        "--precision \(precision.rawValue): \(device.name) has no such matrix products")
    }
    guard let library else { return newest }
    guard let chosen = known.first(where: { $0.rawValue == library }) else {
      let names = known.map(\.rawValue)
      let near = nearestName(to: library, among: names).map { "; did you mean \($0)?" } ?? ""
      throw CommandError(
        "--library \(library): \(device.name) multiplies \(precision.rawValue) by "
          + "\(names.joined(separator: ", "))\(near)")
    }
    return chosen
  }
}

/// `sluice cost matmul`.
struct MatmulCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "matmul", abstract: "One matrix product.",
    discussion: """
      Example:
        sluice cost matmul --m 4096 --n 4096 --k 7168 --precision fp8 --sms 112
      """)

  @OptionGroup var product: ProductOptions

  func run() throws { try product.options.show(try product.report(groups: nil)) }
}

/// `sluice cost grouped-matmul`.
struct GroupedMatmulCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "grouped-matmul", abstract: "Matrix products of several experts in one kernel.",
    discussion: """
      Example:
        sluice cost grouped-matmul --groups 4 --m 8192 --n 4096 --k 7168 \\
          --precision fp8
      """)

  @Option(help: "Groups: the experts on a rank.")
  var groups: Int

  @OptionGroup var product: ProductOptions

  func run() throws {
    try checked("groups", groups, in: 1...4096)
    try product.options.show(try product.report(groups: groups))
  }
}

/// `sluice cost attention`.
struct AttentionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attention",
    abstract: "The attention core of one layer; by default DeepSeek-V3's.",
    discussion: """
      Example:
        sluice cost attention --heads 128 --sequence 4096 --head-size 192 \\
          --value-size 128 --backward
      """)

  @Option(help: "Query heads.")
  var heads = 128

  @Option(help: "Heads of keys and values; by default as many as query heads.")
  var kvHeads: Int?

  @Option(help: "Tokens of a sequence.")
  var sequence = 4096

  @Option(help: "Sequences.")
  var batch = 1

  @Option(help: "Width of a query and a key.")
  var headSize = 192

  @Option(help: "Width of a value.")
  var valueSize = 128

  @Flag(help: "The backward kernel.")
  var backward = false

  @Flag(help: "Without the causal mask.")
  var full = false

  @Flag(help: "As two batched products with mask, softmax and dropout in between.")
  var unfused = false

  @Option(
    help: """
      Whose kernels, of those that the cluster's device has; by default the usual one. unfused is --unfused.
      """)
  var library: AttentionLibrary?

  @Option(help: "Multiprocessors that the kernel gets; by default all of the device.")
  var sms: Int?

  @Option(help: "The clock: loaded, as in training, or boost, as in a benchmark.")
  var clock = ClockState.loaded

  @OptionGroup var options: CostOptions

  func run() throws {
    let models = try options.models()
    let device = try models.device
    for (name, value) in [
      ("heads", heads), ("kv-heads", kvHeads ?? heads), ("sequence", sequence), ("batch", batch),
      ("head-size", headSize), ("value-size", valueSize),
    ] { try checked(name, value, in: 1...1 << 20) }
    guard heads % (kvHeads ?? heads) == 0 else {
      throw CommandError("--kv-heads \(kvHeads ?? heads): must divide --heads \(heads)")
    }
    let count = try checked(
      "sms", sms ?? device.multiprocessors, in: 1...device.multiprocessors)
    let shape = Costs.AttentionShape(
      heads: batch * heads, queriesPerKey: heads / (kvHeads ?? heads), queries: sequence,
      queryDimension: headSize, valueDimension: valueSize, causal: !full)
    let (library, unfused) = try kernels(of: device)
    if !unfused, let widest = device.attention.widestHead(library),
      let name = library ?? device.attention.usual, max(headSize, valueSize) > widest
    {
      throw CommandError(
        "--\(headSize > widest ? "head-size" : "value-size") \(max(headSize, valueSize)): "
          + "\(name.rawValue) has kernels for heads of up to \(widest); --unfused takes any width")
    }
    let formula = AttentionCost(device, library: library)
    let cost =
      switch (backward, unfused) {
      case (false, false): formula.forward(shape, multiprocessors: count, clock: clock)
      case (true, false): formula.backward(shape, multiprocessors: count, clock: clock)
      case (false, true): formula.unfusedForward(shape, multiprocessors: count, clock: clock)
      case (true, true): formula.unfusedBackward(shape, multiprocessors: count, clock: clock)
      }
    // The backward kernel computes five products for the forward's two, the unfused one four.
    let products = backward ? (unfused ? 2.0 : 2.5) : 1
    let kind = (unfused ? "unfused " : "") + (backward ? "backward" : "forward")
    try options.show(
      CostReport(
        "attention \(kind), \(batch) x \(heads) heads of \(headSize)/\(valueSize), "
          + "\(grouped(sequence)) tokens\(full ? "" : ", causal")",
        on: models.cluster, cost, flops: shape.flops * products,
        details: [.init("multiprocessors", "\(count) at the \(clock.rawValue) clock")],
        assumptions: models.assumptions(of: "device")))
  }
}

extension AttentionCommand {
  /// The library of fused kernels, nil for the device's usual one, or that they are not fused.
  private func kernels(of device: DeviceModel) throws -> (AttentionLibrary?, unfused: Bool) {
    guard let library, library != .unfused else { return (nil, unfused || library == .unfused) }
    guard !unfused else {
      throw CommandError("--library \(library.rawValue): has no effect beside --unfused")
    }
    let known = device.attention.known
    guard known.contains(library) else {
      throw CommandError(
        "--library \(library.rawValue): \(device.name) has "
          + (known.isEmpty ? "one, without a name" : known.map(\.rawValue).joined(separator: ", "))
          + ", and unfused")
    }
    return (library, false)
  }
}

extension MatmulPrecision: ExpressibleByArgument {}
extension ClockState: ExpressibleByArgument {}
extension AttentionLibrary: ExpressibleByArgument {}
