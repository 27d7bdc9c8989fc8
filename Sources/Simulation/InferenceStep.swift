import Costs
import Models
import Plans
import Programs

/// One step of a deployment: its stack of units lowered, priced and walked.
struct InferenceStep {
  let planned: PlannedInference
  let request: InferenceRequest
  /// The model with the prediction modules that draft.
  let architecture: Architecture
  /// New tokens of a sequence.
  let tokens: Int
  private let parts: [InferencePart]
  private var assumptions: [String] = []

  /// - Throws: `PlanError` where request, plan and model do not go together.
  init(_ planned: PlannedInference, _ request: InferenceRequest) throws(PlanError) {
    self.planned = planned
    self.request = request
    var architecture = planned.architecture
    let modules = try Self.modules(of: architecture, request)
    architecture.multiTokenPrediction = modules
    self.architecture = architecture
    let tokens =
      switch request.kind {
      case .decode: 1 + modules
      case .prefill(let length): length
      }
    self.tokens = tokens
    try Self.checkPositions(architecture, request)
    try planned.checkExchange(of: request)
    let takesTurns = planned.plan.expertParallel > 1 && request.batch > 1
    let count = request.parts ?? (takesTurns ? 2 : 1)
    guard count <= request.batch else {
      throw .cannotSimulate(
        key: "parts", value: "\(count)", rule: "is more than the batch of \(request.batch)")
    }
    let isRouted = architecture.feedForwards.contains { $0.mixture != nil }
    let tensor = isRouted ? planned.plan.tensorParallel : 1
    parts = try InferencePart.parts(request, count, tokens: tokens, tensorRanks: tensor)
    if parts.contains(where: { $0.filled > $0.sequences }) {
      assumptions.append("rows filled up to a multiple of tensor-parallel \(tensor)")
    }
    // Learned positions end; a request that exceeds them was refused.
    if request.length > architecture.maximumPositions {
      assumptions.append(
        "sequences of \(request.length) positions, beyond the model's "
          + "\(architecture.maximumPositions)")
    }
  }

  /// Prediction modules that draft.
  private static func modules(
    of architecture: Architecture, _ request: InferenceRequest
  ) throws(PlanError) -> Int {
    guard let acceptance = request.acceptance else { return 0 }
    func refuse(_ rule: String) -> PlanError {
      .cannotSimulate(key: "acceptance", value: "\(acceptance)", rule: rule)
    }
    guard case .decode = request.kind else { throw refuse("is of decoding, not of a prefill") }
    guard architecture.multiTokenPrediction > 0 else {
      throw refuse("needs prediction modules, and \(architecture.name) has none")
    }
    guard (0...1).contains(acceptance) else { throw refuse("is a probability, from 0 to 1") }
    return architecture.multiTokenPrediction
  }

  /// The most tokens of a prefill: beyond any device, and far from the end of 64 bits.
  private static let mostTokens = 1 << 32

  private static func checkPositions(
    _ architecture: Architecture, _ request: InferenceRequest
  ) throws(PlanError) {
    let length = request.length
    if case .prefill = request.kind, request.batch > mostTokens / length {
      throw .cannotSimulate(
        key: "batch", value: "\(request.batch)",
        rule: "times \(length) tokens is more than \(mostTokens) at once")
    }
    guard architecture.position == .learned, length > architecture.maximumPositions else { return }
    throw .sequenceTooLong(sequence: length, positions: architecture.maximumPositions)
  }

  var isDecode: Bool { if case .decode = request.kind { true } else { false } }

  // MARK: Lowering

  private func setting(_ sequences: Int, isModule: Bool) -> LoweringSetting {
    var plan = planned.plan
    (plan.microbatchSize, plan.sequenceLength) = (sequences, tokens)
    var setting = LoweringSetting(
      plan, planned.layout, of: planned.architecture, target: .device)
    switch request.kind {
    case .decode(let context):
      setting.serve(.generation(positions: context), arrivesInOrder: plan.expertParallel > 1)
      setting.dispatcher = .deepEP
      // All drafts are judged; a module's own scores are of the last token.
      setting.scoredTokens = isModule ? 1 : tokens
    case .prefill: setting.serve(.prefill, arrivesInOrder: false)
    }
    return setting
  }

  /// What of a unit decides its program.
  private struct Shape: Hashable {
    var unit: UnitShape
    var isWide: Bool
  }

  private struct PricedUnit {
    var program: StageProgram
    var prices: InferenceUnitPrices
    var productFLOPs = 0.0
    var attentionFLOPs = 0.0
    var cachedBytesRead = 0.0
    var activations = 0
  }

  private func shape(_ unit: Unit) -> Shape {
    let precision = planned.plan.precision
    let count = planned.architecture.layerCount
    var isWide = false
    if case .layer(let layer) = unit {
      isWide = layer < precision.wideFirstLayers || layer >= count - precision.wideLastLayers
    }
    return Shape(unit: UnitShape(unit, architecture), isWide: isWide)
  }

  private func price(_ unit: Unit, _ part: InferencePart, _ pricing: ClusterPricing) -> PricedUnit {
    let isModule = if case .multiTokenPrediction = unit { true } else { false }
    let setting = setting(part.filled, isModule: isModule)
    let program = StageProgram(units: [unit], of: architecture, setting)
    let rows = rows(of: program, setting, pricing)
    var priced = PricedUnit(
      program: program, prices: InferenceUnitPrices(operations: [], transfers: []))
    let mayOverlap = !isDecode && parts.count > 1 && planned.plan.expertParallel > 1
    for var operation in program.forward.operations {
      operation.kernel = part.caching(operation.kernel)
      let kernels = pricing.kernels.kernels(of: operation, rows: rows, isOverlapped: mayOverlap)
      let seconds = kernels.reduce(0) { $0 + $1.seconds }
      let gaps = kernels.reduce(0) { $0 + Double($1.launches) } * pricing.launchGap
      priced.prices.operations.append(
        InferenceItem(
          action: .compute(Self.kind(of: operation.kernel), seconds: seconds, gaps: gaps),
          phase: operation.phase))
      count(operation.kernel, kernels, rows, in: &priced)
    }
    priced.prices.transfers = program.forward.transfers.map {
      seconds(of: $0, rows, pricing, isOverlapped: mayOverlap)
    }
    priced.activations = Self.peak(of: program, rows)
    return priced
  }

  private static func kind(of kernel: Kernel) -> InferenceClass {
    switch kernel {
    case .matmul, .groupedMatmul, .headScores, .absorbLatent, .expandLatent: .products
    case .attention: .attention
    default: .others
    }
  }

  /// The rows of an exchange where every rank receives the same, and those of the most loaded one's experts.
  private func rows(
    of program: StageProgram, _ setting: LoweringSetting, _ pricing: ClusterPricing
  ) -> ExchangeRows {
    var balanced = pricing.balancedRows(architecture)
    if setting.arrivesInOrder {
      let chosen = architecture.feedForwards.compactMap(\.mixture).first?.expertsPerToken ?? 1
      let copies = setting.expertTokens * chosen
      balanced = (copies, copies * planned.plan.expertTensorParallel, copies)
    }
    // The most loaded rank receives more, and its experts compute more; it sends its own, and a gather brings all
    // rows to every rank.
    if setting.dispatcher != .allGather {
      balanced.received = Int((Double(balanced.received) * planned.load).rounded())
    }
    balanced.routed = Int((Double(balanced.routed) * planned.load).rounded())
    func all(_ count: Int) -> [Int] { Array(repeating: count, count: program.exchangeCount) }
    return ExchangeRows(
      received: all(balanced.received), routed: all(balanced.routed), sent: all(balanced.sent))
  }

  private func seconds(
    of transfer: Transfer, _ rows: ExchangeRows, _ pricing: ClusterPricing, isOverlapped: Bool
  ) -> (InferenceClass, Double) {
    switch transfer.kind {
    case .counts: return (.expertExchanges, 0)
    case .dispatch(let exchange), .combine(let exchange):
      guard isDecode, let lowLatency = planned.lowLatency else {
        let price = pricing.price(ofExchange: transfer, rows: rows, isOverlapped: isOverlapped)
        return (.expertExchanges, price.preparation + price.payload)
      }
      let cost = lowLatency.cost(
        rows: Double(rows.sent[exchange]), rowBytes: Double(transfer.bytesPerRow),
        ranks: planned.plan.expertParallel,
        ranksPerNode: planned.plan.expertRanksPerNode(on: planned.cluster), load: planned.load)
      return (.expertExchanges, cost.seconds)
    default:
      // Ranks that share an expert gather as many rows as have arrived.
      var known = transfer
      known.rows = .fixed(rows(transfer.rows))
      return (.tensorExchanges, pricing.seconds(ofCollective: known, stage: 0))
    }
  }

  // MARK: Counting

  private func count(
    _ kernel: Kernel, _ kernels: [PricedKernel], _ rows: ExchangeRows, in unit: inout PricedUnit
  ) {
    let flops = kernel.flops { rows($0) }
    guard case .attention(let shape, _, _) = kernel else {
      unit.productFLOPs += flops
      return
    }
    guard shape.isCached else {
      unit.attentionFLOPs += flops / 2
      return
    }
    let bytes = Double(planned.plan.precision.attentionOperands.bits) / 8
    for case .cachedAttention(let cached) in kernels.map(\.kind) {
      unit.attentionFLOPs += cached.flops
      unit.cachedBytesRead += cached.cachedNumbers * bytes
    }
  }

  /// The most that is alive at a time of what is acquired.
  private static func peak(of program: StageProgram, _ rows: ExchangeRows) -> Int {
    var (live, most) = (0, 0)
    for step in program.forward.steps {
      switch step {
      case .acquire(let id):
        live += bytes(of: program.buffers[Int(id.index)], rows)
        most = max(most, live)
      case .release(let id): live -= bytes(of: program.buffers[Int(id.index)], rows)
      default: break
      }
    }
    return most
  }

  private static func bytes(of buffer: Buffer, _ rows: ExchangeRows) -> Int {
    rows(buffer.rows) * buffer.bytesPerRow
  }

  // MARK: The step

  private struct Sums {
    var lanes: [InferenceLane] = []
    var weights = 0
    var caches = 0
    var activations = 0
    var productFLOPs = 0.0
    var attentionFLOPs = 0.0
    var cachedBytesRead = 0.0
  }

  private func summed() throws -> Sums {
    var sums = Sums()
    var known: [InferencePart: (pricing: ClusterPricing, units: [Shape: PricedUnit])] = [:]
    for (index, part) in parts.enumerated() {
      var (pricing, units) = try known[part] ?? (pricing(part.filled), [:])
      var lane = InferenceLane()
      var shared: Set<TransferKind.Group> = []
      var activations = 0
      for unit in architecture.units {
        let shape = shape(unit)
        let priced = units[shape] ?? price(unit, part, pricing)
        units[shape] = priced
        lane.append(priced.program.forward, times: 1, priced.prices)
        if let choice = choice(behind: unit, part, pricing) {
          append(choice, to: &lane, pricing)
          activations = max(activations, choice.heldBytes)
        }
        sums.productFLOPs += priced.productFLOPs
        sums.attentionFLOPs += priced.attentionFLOPs
        sums.cachedBytesRead += priced.cachedBytesRead
        activations = max(activations, priced.activations)
        for buffer in priced.program.buffers where buffer.scope == .stage {
          let bytes = Self.bytes(of: buffer, ExchangeRows())
          // Filled rows have none.
          if buffer.use == .activation { sums.caches += bytes / part.filled * part.sequences }
          guard buffer.use == .parameter, index == 0 else { continue }
          if let group = buffer.sharedTensor, !shared.insert(group).inserted { continue }
          sums.weights += bytes
        }
      }
      sums.activations += activations
      sums.lanes.append(lane)
      known[part] = (pricing, units)
    }
    return sums
  }

  /// Prices of exchanges depend on the tokens of a part.
  private func pricing(_ sequences: Int) throws -> ClusterPricing {
    var plan = planned.plan
    (plan.microbatchSize, plan.sequenceLength) = (sequences, tokens)
    return try ClusterPricing(planned.cluster, plan: plan, architecture: architecture).serving()
  }

  func report(_ assumed: [String]) throws -> InferenceReport {
    let sums = try summed()
    var walk = InferenceWalk(sums.lanes)
    let times = walk.run()
    func spent(_ kind: InferenceClass) -> Double { times.spent[kind.rawValue] }
    let split = InferenceReport.Split(
      products: spent(.products), attention: spent(.attention), others: spent(.others),
      gaps: spent(.gaps), expertExchanges: spent(.expertExchanges),
      tensorExchanges: spent(.tensorExchanges))
    let memory = InferenceReport.Memory(
      weights: sums.weights, caches: sums.caches, activations: sums.activations,
      reserve: Int(planned.plan.memoryReserve.bytes),
      limit: Int(planned.cluster.device.memory.size.value.bytes))
    return InferenceReport(
      request: request, devices: planned.plan.worldSize, replicas: planned.plan.dataParallel,
      parts: parts.count, seconds: times.seconds, split: split,
      exchangeSeconds: times.moved.reduce(0, +), phaseSeconds: times.phases,
      tokensPerSequence: tokensPerSequence, memory: memory,
      cacheBytesPerToken: Double(sums.caches) / Double(request.batch * request.length),
      productFLOPs: sums.productFLOPs, attentionFLOPs: sums.attentionFLOPs,
      cacheBytesRead: sums.cachedBytesRead, limit: limit(sums, split),
      assumptions: assumed + planned.said(of: request) + assumptions + turns)
  }

  /// A draft is kept if all before it were, so a sequence gets 1 + a + a² and so on.
  private var tokensPerSequence: Double {
    guard isDecode else { return Double(tokens) }
    let acceptance = request.acceptance ?? 0
    var (sum, kept) = (1.0, 1.0)
    for _ in 1..<max(1, tokens) {
      kept *= acceptance
      sum += kept
    }
    return sum
  }

  private var turns: [String] {
    guard request.parts == nil, parts.count > 1 else { return [] }
    return ["sequences in \(parts.count) parts, which compute and exchange by turns"]
  }

  /// The largest part, and of products and attention whether bytes or arithmetic decide.
  private func limit(_ sums: Sums, _ split: InferenceReport.Split) -> String {
    let device = planned.cluster.device
    let bandwidth = device.memory.reached.value.value
    let largest = split.parts.max { $0.seconds < $1.seconds }?.name ?? ""
    let isScaled = planned.plan.precision.linearOperands == .e4m3
    let bf16 = device.peak(.bf16)?.value ?? .infinity
    let peak = (isScaled ? device.peak(.fp8)?.value : nil) ?? bf16
    switch largest {
    case "products":
      let reading = Double(sums.weights * parts.count) / bandwidth
      return reading > sums.productFLOPs / peak ? "reading weights" : "arithmetic of products"
    case "attention":
      let reading = sums.cachedBytesRead / bandwidth
      return reading > sums.attentionFLOPs / bf16
        ? "reading caches" : "arithmetic of attention"
    case "other kernels": return "kernels that stream activations"
    case "between kernels": return "starts of kernels"
    default: return largest
    }
  }
}
