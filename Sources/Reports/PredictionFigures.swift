import Clusters
import Simulation

/// A step of CPU ranks as the simulator says it, and beside it the real one, as data: `simulate --json` on a
/// cluster of CPU ranks, and `train --predict`.
public struct PredictionFigures: Encodable, Sendable {
  /// Seconds of a rank, or the mean over ranks.
  public struct Parts: Encodable, Sendable {
    public var products: Double
    public var attention: Double
    public var kernels: Double
    public var engine: Double
    public var messages: Double
    public var waiting: Double

    public init(_ parts: ProcessorParts) {
      products = parts.products
      attention = parts.attention
      kernels = parts.kernels
      engine = parts.engine
      messages = parts.messages
      waiting = parts.waiting
    }
  }

  /// A class of kernels, in the mean over ranks.
  public struct Class: Encodable, Sendable {
    public var kernel: String
    public var predictedSeconds: Double
    public var measuredSeconds: Double?
  }

  /// The real step.
  public struct Measured: Encodable, Sendable {
    /// The median of the steps behind the first, and how many they are.
    public var stepSeconds: Double
    public var steps: Int
    /// Their first and third quartile.
    public var quartiles: [Double]
    /// The step that was recorded.
    public var recordedSeconds: Double
    public var parts: Parts
    /// Predicted over measured, less one.
    public var error: Double
  }

  public var model: String
  public var cluster: String
  public var ranks: Int
  public var predictedSeconds: Double
  public var tokensPerSecond: Double
  public var parts: Parts
  public var partsByRank: [Parts]
  public var classes: [Class]
  public var measured: Measured?

  /// What is predicted.
  public init(_ outcome: ProcessorStep.Outcome, of step: ProcessorStep) {
    let plan = step.placed.plan
    model = step.placed.architecture.name
    cluster = step.cluster.name
    ranks = plan.worldSize
    predictedSeconds = outcome.seconds
    tokensPerSecond = Double(plan.globalBatch * plan.sequenceLength) / outcome.seconds
    let mean = ProcessorParts.mean(outcome.parts)
    parts = Parts(mean)
    partsByRank = outcome.parts.map(Parts.init)
    classes = ProcessorKernel.allCases.compactMap { kernel in
      mean.classes[kernel].map { Class(kernel: kernel.rawValue, predictedSeconds: $0) }
    }
  }

  /// Puts the real step beside it.
  ///
  /// - Parameters:
  ///   - seconds: of the steps behind the first.
  ///   - recorded: the step that was recorded, and where each rank's time went in it.
  public mutating func compare(seconds: [Double], recorded: (Double, [ProcessorParts])) {
    let sorted = seconds.sorted()
    func quantile(_ share: Double) -> Double {
      let place = share * Double(sorted.count - 1)
      let low = Int(place)
      let high = min(low + 1, sorted.count - 1)
      return sorted[low] + (sorted[high] - sorted[low]) * (place - Double(low))
    }
    let mean = ProcessorParts.mean(recorded.1)
    measured = Measured(
      stepSeconds: quantile(0.5), steps: seconds.count,
      quartiles: [quantile(0.25), quantile(0.75)], recordedSeconds: recorded.0, parts: Parts(mean),
      error: predictedSeconds / quantile(0.5) - 1)
    for index in classes.indices {
      let kernel = ProcessorKernel(rawValue: classes[index].kernel)
      classes[index].measuredSeconds = kernel.flatMap { mean.classes[$0] } ?? 0
    }
  }
}
