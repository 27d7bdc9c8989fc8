import Documents
import Programs
import Quantities
import Simulation

/// The figures of a simulated step of serving as programs read them: every key carries its unit.
public struct InferenceFigures: Encodable, Sendable {
  /// Seconds of the step by what the device does; they add up to `stepSeconds`.
  public struct Split: Encodable, Sendable {
    public var products: Double
    public var attention: Double
    public var otherKernels: Double
    public var betweenKernels: Double
    public var expertExchanges: Double
    public var tensorExchanges: Double
  }

  /// Bytes of one device.
  public struct Memory: Encodable, Sendable {
    public var weights: Int
    public var caches: Int
    public var activations: Int
    public var reserve: Int
    public var limit: Int
    public var cachesPerToken: Double
  }

  /// FLOPs of one device, attention on and below the diagonal.
  public struct FLOPs: Encodable, Sendable {
    public var products: Double
    public var attention: Double
  }

  public var model: String
  public var cluster: String
  public var plan: String
  /// `decode` or `prefill`.
  public var mode: String
  public var gpus: Int
  public var dataRanks: Int
  /// Sequences of a data rank.
  public var batch: Int
  /// Positions of each sequence.
  public var context: Int
  public var parts: Int
  public var acceptance: Double?
  public var stepSeconds: Double
  public var tokensPerSequence: Double
  public var tokensPerStep: Double
  public var tokensPerSecond: Double
  public var tokensPerSecondPerGpu: Double
  public var tokensPerSecondPerNode: Double
  public var tokensPerSecondPerSequence: Double
  public var splitSeconds: Split
  public var phaseSeconds: [String: Double]
  /// Seconds that exchanges move on a device, hidden or not.
  public var exchangeSeconds: Double
  public var limitedBy: String
  public var memoryBytes: Memory
  public var fits: Bool
  /// Sequences of a data rank whose caches fit.
  public var mostSequences: Int
  public var flops: FLOPs
  public var cacheBytesRead: Double
  public var usDollarsPerGpuHour: Double
  public var usDollarsPerMillionTokens: Double
  public var assumptions: [String]
  public var inputs: Inputs

  private enum CodingKeys: String, CodingKey {
    case model, cluster, plan, mode, gpus, dataRanks, batch, context, parts, acceptance
    case stepSeconds, tokensPerSequence, tokensPerStep, tokensPerSecond, tokensPerSecondPerGpu
    case tokensPerSecondPerNode, tokensPerSecondPerSequence, splitSeconds, phaseSeconds
    case exchangeSeconds, limitedBy, memoryBytes, fits, mostSequences, flops, cacheBytesRead
    case usDollarsPerGpuHour, usDollarsPerMillionTokens, assumptions, inputs
  }

  /// - Parameter price: US dollars for a GPU for an hour; nil for the cluster's, else 2.
  public init(
    _ report: InferenceReport, of planned: PlannedInference, _ inputs: Inputs, price: Double? = nil
  ) {
    model = planned.architecture.name
    cluster = planned.cluster.name
    plan = planned.plan.name
    switch report.request.kind {
    case .decode(let positions): (mode, context) = ("decode", positions)
    case .prefill(let length): (mode, context) = ("prefill", length)
    }
    gpus = report.devices
    dataRanks = report.replicas
    batch = report.request.batch
    parts = report.parts
    acceptance = report.request.acceptance
    stepSeconds = report.seconds
    tokensPerSequence = report.tokensPerSequence
    tokensPerStep = report.tokensPerStep
    tokensPerSecond = report.tokensPerSecond
    tokensPerSecondPerGpu = report.tokensPerSecondPerDevice
    tokensPerSecondPerNode =
      report.tokensPerSecondPerDevice * Double(planned.cluster.node.devices.value)
    tokensPerSecondPerSequence = report.tokensPerSecondPerSequence
    let split = report.split
    splitSeconds = Split(
      products: split.products, attention: split.attention, otherKernels: split.others,
      betweenKernels: split.gaps, expertExchanges: split.expertExchanges,
      tensorExchanges: split.tensorExchanges)
    phaseSeconds = Dictionary(
      uniqueKeysWithValues: report.phases.map { (Self.name(of: $0.phase), $0.seconds) })
    exchangeSeconds = report.exchangeSeconds
    limitedBy = report.limit
    let memory = report.memory
    memoryBytes = Memory(
      weights: memory.weights, caches: memory.caches, activations: memory.activations,
      reserve: memory.reserve, limit: memory.limit, cachesPerToken: report.cacheBytesPerToken)
    fits = memory.fits
    mostSequences = report.mostSequences
    flops = FLOPs(products: report.productFLOPs, attention: report.attentionFLOPs)
    cacheBytesRead = report.cacheBytesRead
    let price = price ?? planned.cluster.price?.value ?? 2
    usDollarsPerGpuHour = price
    usDollarsPerMillionTokens = price * 1e6 / (3600 * report.tokensPerSecondPerDevice)
    assumptions = report.assumptions
    self.inputs = inputs
  }

  private static func name(of phase: Phase) -> String {
    switch phase {
    case .embedding: "embedding"
    case .attention: "attention"
    case .dispatch: "dispatch"
    case .feedForward: "feed_forward"
    case .combine: "combine"
    case .head: "head"
    case .optimizer: "optimizer"
    }
  }
}
