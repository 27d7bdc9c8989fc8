import Documents
import Foundation

/// What is known of one step, as it is logged.
public struct StepMetrics: Hashable, Sendable {
  /// How the tokens of a layer spread over its experts.
  public struct ExpertLoad: Hashable, Sendable {
    public var layer: Int
    /// Tokens routed to each expert in the step, over all ranks.
    public var counts: [Int]

    public init(layer: Int, counts: [Int]) {
      self.layer = layer
      self.counts = counts
    }

    /// The largest count over the mean; 1 where all are equal or there is no token.
    public var imbalance: Double {
      let total = counts.reduce(0, +)
      guard total > 0, let largest = counts.max() else { return 1 }
      return Double(largest) * Double(counts.count) / Double(total)
    }
  }

  /// Time of one kind of work on the slowest rank, in seconds.
  public struct Time: Hashable, Sendable {
    /// In the letters that keys of the log have: `wait_dispatch_backward`.
    public var kind: String
    public var seconds: Double
    /// Of communication: the part in which computation waited for it.
    public var exposed: Double?

    public init(kind: String, seconds: Double, exposed: Double? = nil) {
      self.kind = kind
      self.seconds = seconds
      self.exposed = exposed
    }
  }

  /// A rank that computes more slowly than others do with the same work.
  public struct SlowRank: Hashable, Sendable {
    public var rank: Int
    public var host: String
    /// How many times as long it takes.
    public var factor: Double
  }

  /// Optimizer updates so far, this one included.
  public var step: Int
  /// Tokens predicted so far, this step's included.
  public var tokens = 0
  /// Sequences in the step.
  public var globalBatch = 0
  /// The mean cross-entropy of the next token, in nats.
  public var loss: Double?
  /// The mean cross-entropy of multi-token prediction, unweighted.
  public var predictionLoss: Double?
  /// The balance loss of routers, weighted.
  public var balanceLoss: Double?
  /// What gradients are of.
  public var totalLoss: Double?
  /// The norm of all gradients before clipping.
  public var gradientNorm: Double?
  public var learningRate: Double?
  /// How far correction biases moved.
  public var biasSpeed: Double?
  /// When the step ended, in seconds since 1970 began (UTC).
  public var wallTime: Double?
  /// How long the step took.
  public var seconds: Double?
  public var tokensPerSecond: Double?
  public var times: [Time] = []
  /// The most bytes that a rank held, of all ranks.
  public var peakMemory: Int?
  /// The model's FLOPs over what the machine's cores reached in products when the run began; nil where that
  /// was not measured.
  public var utilization: Double?
  /// Ranks that are slow (`SlowRanks`).
  public var slowRanks: [SlowRank] = []
  public var expertLoads: [ExpertLoad] = []
  /// The mean cross-entropy on the evaluation data, if it was evaluated after this step.
  public var evaluationLoss: Double?
  /// What a policy's update was like; nil for other objectives.
  public var policy: PolicyMetrics?
  /// What the policy does with held-out prompts, if it was evaluated after this step.
  public var heldOut: PolicyMetrics.HeldOut?
  /// What people should know of the step; in no log.
  public var notices: [String] = []

  /// Metrics of a step of which nothing is known yet.
  public init(step: Int) { self.step = step }
}

extension StepMetrics {
  /// The numbers of the step that are worth a curve, by tags as TensorBoard groups them.
  package var curves: [(tag: String, value: Double)] {
    let all: [(String, Double?)] = [
      ("loss/training", loss), ("loss/prediction", predictionLoss), ("loss/balance", balanceLoss),
      ("loss/total", totalLoss), ("loss/evaluation", evaluationLoss),
      ("optimizer/grad_norm", gradientNorm), ("optimizer/learning_rate", learningRate),
      ("optimizer/global_batch", globalBatch > 0 ? Double(globalBatch) : nil),
      ("speed/seconds", seconds), ("speed/tokens_per_second", tokensPerSecond),
      ("speed/mfu", utilization),
      ("speed/slow_ranks", seconds == nil ? nil : Double(slowRanks.count)),
      ("memory/peak_bytes", peakMemory.map(Double.init)),
      ("evaluation/accuracy", heldOut?.accuracy), ("evaluation/reward", heldOut?.reward),
      ("evaluation/mean_length", heldOut?.meanLength),
    ]
    // The names of the log, those without a group in one of theirs.
    let ofPolicy = (policy?.fields ?? []).map { name, value in
      (name.contains("/") ? name : "policy/\(name)", value)
    }
    return all.compactMap { tag, value in value.map { (tag, $0) } } + ofPolicy
      + expertLoads.map { ("experts/imbalance_layer_\($0.layer)", $0.imbalance) }
  }

  /// One JSON object on one line, its keys always in the same order.
  ///
  /// A number that is not finite is `null`; what is not known is left out.
  public var line: String {
    var fields = ["\"step\": \(step)", "\"tokens\": \(tokens)", "\"global_batch\": \(globalBatch)"]
    func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
    func add(_ key: String, _ value: Double?) {
      if let value { fields.append("\(JSONValue.quoted(key)): \(number(value))") }
    }
    add("loss", loss)
    add("mtp_loss", predictionLoss)
    add("balance_loss", balanceLoss)
    add("total_loss", totalLoss)
    add("grad_norm", gradientNorm)
    add("learning_rate", learningRate)
    for field in policy?.fields ?? [] { add(field.name, field.value) }
    add("bias_speed", biasSpeed)
    // Whole milliseconds, since a Double's shortest form would have digits that say nothing.
    add("wall_time", wallTime.map { ($0 * 1000).rounded() / 1000 })
    add("seconds", seconds)
    add("tokens_per_second", tokensPerSecond)
    add("mfu", utilization)
    if !slowRanks.isEmpty {
      let items = slowRanks.map { slow in
        "{\"rank\": \(slow.rank), \"host\": \(JSONValue.quoted(slow.host)), "
          + "\"factor\": \(number((slow.factor * 100).rounded() / 100))}"
      }
      fields.append("\"slow_ranks\": [\(items.joined(separator: ", "))]")
    }
    if !times.isEmpty {
      let items = times.map { time in
        let exposed = time.exposed.map { ", \"exposed\": \(number($0))" } ?? ""
        return "\(JSONValue.quoted(time.kind)): {\"seconds\": \(number(time.seconds))\(exposed)}"
      }
      fields.append("\"times\": {\(items.joined(separator: ", "))}")
    }
    if let peakMemory { fields.append("\"peak_memory_bytes\": \(peakMemory)") }
    if !expertLoads.isEmpty {
      let items = expertLoads.map { load in
        "{\"layer\": \(load.layer), \"imbalance\": \(number(load.imbalance)), "
          + "\"counts\": [\(load.counts.map(String.init).joined(separator: ", "))]}"
      }
      fields.append("\"expert_load\": [\(items.joined(separator: ", "))]")
    }
    add("evaluation_loss", evaluationLoss)
    add("evaluation_accuracy", heldOut?.accuracy)
    add("evaluation_reward", heldOut?.reward)
    add("evaluation_mean_length", heldOut?.meanLength)
    return "{\(fields.joined(separator: ", "))}"
  }
}
