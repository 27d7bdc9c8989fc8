import Documents
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
  var anchoredText: String {
    guard let anchored else { return "" }
    var sentences = anchored.anchors.map(\.sentence)
    let known = anchored.factors.map { "\($0.name) \($0.value.text)" }.joined(separator: ", ")
    sentences.append(
      (anchored.anchors.isEmpty
        ? "Factors as component tables leave them, 90 %: " : "Factors after that, 90 %: ") + known
        + ".")
    let hasMemory = plans.contains { $0.anchoredMemoryBytes != nil }
    var table = TextTable(Array(repeating: .right, count: hasMemory ? 6 : 5))
    table.add(
      ["plan", "step, s", "with factors", "90 % from", "to"] + (hasMemory ? ["GiB"] : []))
    for (index, item) in plans.enumerated() {
      guard let step = item.anchoredStepSeconds else { continue }
      let memory = item.anchoredMemoryBytes.map { [gibibytes(Double($0))] } ?? []
      table.add(
        ["\(index + 1)"]
          + [item.stepSeconds, step.middle, step.low, step.high].map { fixed($0, decimals: 3) }
          + memory)
    }
    if let fastest = anchored.fastest, fastest > 1 {
      sentences.append("With them plan \(fastest) is the fastest of those listed.")
    }
    return sentences.flatMap { wrapped($0, width: 100) }.joined(separator: "\n") + "\n"
      + table.text(width: 100)
  }
}
