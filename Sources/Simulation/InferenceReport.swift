import Programs
import Quantities

/// What a step of serving takes on one device of a deployment, all of which do the same.
public struct InferenceReport: Hashable, Sendable {
  /// Seconds of each part, of exchanges what is waited for; they add up to the step.
  public struct Split: Hashable, Sendable {
    public var products: Double
    public var attention: Double
    /// Kernels that stream activations.
    public var others: Double
    /// Between the end of a kernel and the start of the next.
    public var gaps: Double
    public var expertExchanges: Double
    public var tensorExchanges: Double

    /// The parts with the names that people read.
    public var parts: [(name: String, seconds: Double)] {
      [
        ("products", products), ("attention", attention), ("other kernels", others),
        ("between kernels", gaps), ("expert exchanges", expertExchanges),
        ("tensor exchanges", tensorExchanges),
      ]
    }
  }

  /// Bytes of one device.
  public struct Memory: Hashable, Sendable {
    public var weights: Int
    public var caches: Int
    public var activations: Int
    public var reserve: Int
    public var limit: Int

    public var needed: Int { weights + caches + activations + reserve }
    public var fits: Bool { needed <= limit }
  }

  public var request: InferenceRequest
  /// Devices of the deployment, and groups of them that serve sequences of their own.
  public var devices: Int
  public var replicas: Int
  /// Parts of the sequences that take turns.
  public var parts: Int
  public var seconds: Double
  public var split: Split
  /// Seconds that exchanges move, hidden or not.
  public var exchangeSeconds: Double
  /// Seconds of each part of a layer.
  public var phases: [(phase: Phase, seconds: Double)] {
    zip(Phase.allCases, phaseSeconds).filter { $0.1 > 0 }.map { ($0.0, $0.1) }
  }
  var phaseSeconds: [Double]
  /// Tokens that a sequence gets in a step, drafts kept among them; of a prefill those that are read.
  public var tokensPerSequence: Double
  public var memory: Memory
  /// Bytes of caches for one position of one sequence, on one device.
  public var cacheBytesPerToken: Double
  /// FLOPs of products, and of attention on and below the diagonal, on one device.
  public var productFLOPs: Double
  public var attentionFLOPs: Double
  /// Bytes that a device's caches are read for.
  public var cacheBytesRead: Double
  /// What takes most of the step.
  public var limit: String
  /// What was decided where nothing says, a short phrase each.
  public var assumptions: [String]

  /// Tokens of all devices in a step.
  public var tokensPerStep: Double {
    Double(replicas * request.batch) * tokensPerSequence
  }

  public var tokensPerSecond: Double { tokensPerStep / seconds }
  public var tokensPerSecondPerDevice: Double { tokensPerSecond / Double(devices) }
  /// Tokens a second that one sequence gets while it is decoded.
  public var tokensPerSecondPerSequence: Double { tokensPerSequence / seconds }

  /// Sequences of a data rank whose caches its devices hold at this length, other memory left as it is.
  public var mostSequences: Int {
    let each = Double(memory.caches) / Double(request.batch)
    let room = memory.limit - memory.weights - memory.activations - memory.reserve
    return each > 0 ? max(0, Int(Double(room) / each)) : 0
  }
}
