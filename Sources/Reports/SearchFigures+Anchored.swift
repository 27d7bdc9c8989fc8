import Planning
import Quantities

extension SearchFigures {
  /// What a plan will take by what was measured of others.
  public struct Prediction: Sendable {
    var step: AnchoredModel.Interval
    var memoryBytes: Int?

    /// - Parameter memoryBytes: what the fullest rank takes by the memory of an anchor; nil where none was
    ///   measured.
    public init(_ step: AnchoredModel.Interval, memoryBytes: Int?) {
      (self.step, self.memoryBytes) = (step, memoryBytes)
    }
  }

  /// What measured runs say of all plans.
  public struct Anchored: Encodable, Sendable {
    /// A factor of the system.
    public struct Factor: Encodable, Sendable {
      public var name: String
      public var value: AnchoredFigures.Interval
    }

    public var anchors: [AnchoredFigures.Anchor]
    public var factors: [Factor]
    /// The plan whose step will be the shortest by them, from 1 as the plans are listed.
    public var fastest: Int?
  }

  /// Adds what measured runs say of the plans that are listed.
  ///
  /// - Parameter predictions: of each plan, in their order.
  public mutating func anchor(
    _ model: AnchoredModel, _ anchors: [AnchoredFigures.Anchor], _ predictions: [Prediction]
  ) {
    for (index, prediction) in zip(plans.indices, predictions) {
      plans[index].anchoredStepSeconds = .init(prediction.step)
      plans[index].anchoredMemoryBytes = prediction.memoryBytes
    }
    let fastest = predictions.indices.min {
      predictions[$0].step.middle < predictions[$1].step.middle
    }
    anchored = Anchored(
      anchors: anchors,
      factors: NuisanceFactor.allCases.map { factor in
        .init(name: factor.rawValue, value: .init(model.factor(factor)))
      }, fastest: fastest.map { $0 + 1 })
  }

  /// What was measured, what follows for the system, and what that makes of the plans.
  func anchoredSentences(_ places: [Int]) -> [String] {
    guard let anchored else { return [] }
    var sentences = anchored.anchors.map(\.sentence)
    let known = anchored.factors.map { "\($0.name) \($0.value.text)" }.joined(separator: ", ")
    sentences.append(
      (anchored.anchors.isEmpty
        ? "Factors as component tables leave them, 90 %: " : "Factors after that, 90 %: ") + known
        + ".")
    if let fastest = anchored.fastest, fastest > 1 {
      sentences.append("With them plan \(places[fastest - 1]) is the fastest of those listed.")
    }
    return sentences
  }

  /// The steps of the plans by what was measured of others; nil where nothing was.
  ///
  /// - Parameters:
  ///   - key: where the JSON has the plans.
  ///   - places: the numbers under which they are listed.
  func anchoredTable(key: String, _ places: [Int]) -> ReportTable? {
    guard anchored != nil else { return nil }
    let hasMemory = plans.contains { $0.anchoredMemoryBytes != nil }
    var table = ReportTable(
      "Steps by what was measured, 90 %",
      [
        .init("plan"), .init("step, s"), .init("with factors"), .init("from"), .init("to"),
        .init("GiB", isAside: !hasMemory),
      ])
    for (index, item) in plans.enumerated() {
      guard let step = item.anchoredStepSeconds else { continue }
      let place = "\(key).\(index)."
      let interval = place + "anchored_step_seconds."
      table.add([
        ReportFigure("\(places[index])", Double(places[index])),
        .seconds(item.stepSeconds, key: place + "step_seconds"),
        .seconds(step.middle, key: interval + "middle"),
        .seconds(step.low, key: interval + "low"), .seconds(step.high, key: interval + "high"),
        item.anchoredMemoryBytes.map {
          .gibibytes($0, key: place + "anchored_memory_bytes")
        } ?? ReportFigure("–"),
      ])
    }
    return table
  }
}
