import Clusters

/// Where the time of one CPU rank goes in a step, in seconds.
public struct ProcessorParts: Hashable, Sendable {
  /// Matrix products, those of experts and of the head among them.
  public var products = 0.0
  public var attention = 0.0
  /// All other kernels.
  public var kernels = 0.0
  /// The engine's walk, and zeros for gradients.
  public var engine = 0.0
  /// Messages on their way, and what is done with what they bring.
  public var messages = 0.0
  /// It stands still for a peer that has not come yet.
  public var waiting = 0.0
  /// By class of kernels.
  public var classes: [ProcessorKernel: Double] = [:]

  public init() {}

  /// Adds the time of a kernel.
  public mutating func add(_ seconds: Double, of kernel: ProcessorKernel) {
    classes[kernel, default: 0] += seconds
    switch kernel {
    case .productForward, .productInput, .productWeight, .transposedForward, .transposedInput,
      .transposedWeight, .groupedForward, .groupedInput, .groupedWeight, .head:
      products += seconds
    case .attentionForward, .attentionBackward: attention += seconds
    case .step: engine += seconds
    default: kernels += seconds
    }
  }

  /// All of it: the step of this rank, if it was the last to end.
  public var total: Double { products + attention + kernels + engine + messages + waiting }

  /// The mean over ranks.
  public static func mean(_ all: [ProcessorParts]) -> ProcessorParts {
    var sum = ProcessorParts()
    let share = 1 / Double(max(1, all.count))
    for parts in all {
      for (kernel, seconds) in parts.classes { sum.classes[kernel, default: 0] += seconds * share }
      sum.products += parts.products * share
      sum.attention += parts.attention * share
      sum.kernels += parts.kernels * share
      sum.engine += parts.engine * share
      sum.messages += parts.messages * share
      sum.waiting += parts.waiting * share
    }
    return sum
  }
}
