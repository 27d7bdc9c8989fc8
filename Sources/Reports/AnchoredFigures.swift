import Documents
import Planning
import Quantities

/// What measured runs say of a simulated step.
public struct AnchoredFigures: Encodable, Sendable {
  /// A value with the ends between which 90 % of the cases lie.
  public struct Interval: Encodable, Sendable {
    public var low: Double
    public var middle: Double
    public var high: Double

    init(_ interval: AnchoredModel.Interval) {
      (low, middle, high) = (interval.low, interval.middle, interval.high)
    }

    var text: String {
      "\(fixed(middle, decimals: 3)) (\(fixed(low, decimals: 3)) to \(fixed(high, decimals: 3)))"
    }
  }

  /// A run that was measured.
  public struct Anchor: Encodable, Sendable {
    public var plan: String
    public var measuredSeconds: Double
    public var simulatedSeconds: Double

    public init(plan: String, measuredSeconds: Double, simulatedSeconds: Double) {
      (self.plan, self.measuredSeconds) = (plan, measuredSeconds)
      self.simulatedSeconds = simulatedSeconds
    }

    var sentence: String {
      "Anchor \(plan): measured \(fixed(measuredSeconds, decimals: 3)) s, simulated "
        + "\(fixed(simulatedSeconds, decimals: 3)) s (\(signed(simulatedSeconds / measuredSeconds - 1)))."
    }
  }

  /// A factor of the system.
  public struct Factor: Encodable, Sendable {
    public var name: String
    /// By how many per cent the step grows with one of it.
    public var elasticity: Double
    public var value: Interval
    /// What it would have to be by itself for the step to take what was measured; null where nothing of this
    /// step was, or it does not move the step.
    public var alone: Double?
  }

  public var anchors: [Anchor]
  /// How far measured steps lie from what the factors may explain, in standard deviations; 0 without any.
  public var disagreement: Double
  public var factors: [Factor]
  public var simulatedSeconds: Double
  /// The step as it will be.
  public var stepSeconds: Interval
  /// What was measured of this very step, with the MFU that it means.
  public var measuredSeconds: Double?
  public var measuredMfu: Double?
  /// Memory that the anchor needed beyond its prediction, bytes, and this step's with it.
  public var memoryOffsetBytes: Int?
  public var memoryBytes: Int?

  /// Figures of a step.
  ///
  /// - Parameters:
  ///   - model: what the anchors have taught.
  ///   - layout: the number of its layout among those that were measured; nil for another one.
  ///   - measured: seconds of this very step, if it was measured.
  public init(
    _ step: StepSensitivity, _ model: AnchoredModel, layout: Int?, anchors: [Anchor],
    measured: Double? = nil, mfu: Double
  ) {
    self.anchors = anchors
    disagreement = model.disagreement
    simulatedSeconds = step.step
    stepSeconds = Interval(model.predicted(step, layout: layout))
    factors = zip(NuisanceFactor.allCases, step.elasticities).map { factor, elasticity in
      Factor(
        name: factor.rawValue, elasticity: elasticity, value: Interval(model.factor(factor)),
        alone: measured.flatMap { step.factor(factor, for: $0) })
    }
    measuredSeconds = measured
    measuredMfu = measured.map { mfu * step.step / $0 }
  }

  /// What was measured, and what follows for this step.
  var sentences: [String] {
    var sentences = anchors.map(\.sentence)
    if let measuredSeconds, let measuredMfu {
      let error = simulatedSeconds / measuredSeconds - 1
      sentences.append(
        "Measured \(fixed(measuredSeconds, decimals: 3)) s is an MFU of \(percent(measuredMfu)); the "
          + "simulation has \(fixed(simulatedSeconds, decimals: 3)) s (\(signed(error))).")
      let parts = factors.map { factor in
        factor.alone.map {
          "\(factor.name) would have to take \(fixed($0, decimals: 3)) times as long"
        }
          ?? "\(factor.name) does not move it"
      }
      sentences.append("For that by itself " + parts.joined(separator: ", or ") + ".")
    }
    if disagreement > AnchoredModel.greatestDisagreement {
      sentences.append(
        "What was measured lies \(fixed(disagreement, decimals: 1)) standard deviations from what the factors may "
          + "explain: measurements contradict each other, or a run was not this plan on this cluster. All intervals "
          + "are wider by that.")
    }
    let known = factors.map { "\($0.name) \($0.value.text)" }.joined(separator: ", ")
    sentences.append(
      (anchors.isEmpty && measuredSeconds == nil
        ? "Factors as component tables leave them, 90 %: " : "Factors after that, 90 %: ") + known
        + ".")
    sentences.append("Step with them, seconds, 90 %: \(stepSeconds.text).")
    if let memoryOffsetBytes, let memoryBytes {
      sentences.append(
        "Memory: the anchor took \(gibibytes(Double(memoryOffsetBytes))) GiB more than predicted; with "
          + "that \(gibibytes(Double(memoryBytes))) GiB.")
    }
    return sentences
  }
}

private func signed(_ share: Double) -> String { (share < 0 ? "" : "+") + percent(share) }
