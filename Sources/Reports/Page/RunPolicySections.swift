import Quantities

extension RunFigures.Step {
  var reward: Double? { policy?.reward }
  var divergence: Double? { policy?.divergence }
  var entropy: Double? { policy?.entropy }
  var meanLength: Double? { policy?.meanLength }
  var clippedShare: Double? { policy?.clippedShare }
  var heldOutAccuracy: Double? { policy?.heldOutAccuracy }
  var heldOutLength: Double? { policy?.heldOutLength }
}

/// What a reader asks of reinforcement learning: do held-out answers get better, how long do they become,
/// how far has the policy moved, and what does it write.
extension RunFigures {
  var policySections: [ReportPage.Section] {
    guard steps.contains(where: { $0.policy != nil }) else { return [] }
    var sections = [
      ReportPage.Section(
        "Rewards",
        lead: "Of an update's completions, and of held-out prompts, which are never learnt from.",
        [
          .picture(
            plot(
              "Reward", [("reward", \.reward), ("held-out accuracy", \.heldOutAccuracy)])),
          .picture(
            plot(
              "Tokens of a completion",
              [("in an update", \.meanLength), ("held out", \.heldOutLength)])),
        ]),
      ReportPage.Section(
        "The policy",
        lead: "How undecided it is, how far from its reference, how often it was cut short.",
        [
          .picture(plot("Entropy", [("nats a token", \.entropy)])),
          .picture(plot("Divergence from the reference", [("nats", \.divergence)])),
          .picture(plot("Completions cut at their limit", [("share", \.clippedShare)])),
        ].filter { $0.hasSeries }),
    ]
    if !samples.isEmpty { sections.append(sampleSection) }
    return sections
  }

  /// A group of the first rollout beside one of the last.
  private var sampleSection: ReportPage.Section {
    var table = ReportTable(
      "Samples",
      [
        .init("update"), .init("prompt", isText: true), .init("completion", isText: true),
        .init("reward"),
      ])
    for sample in samples {
      table.add([
        ReportFigure("\(sample.step)", Double(sample.step)),
        ReportFigure(Self.shortened(sample.prompt)),
        ReportFigure(Self.shortened(sample.completion)),
        ReportFigure(decimal(sample.reward), sample.reward),
      ])
    }
    return .init(
      "Samples",
      lead: "One prompt's completions in the first rollout of this start and in the last one.",
      [.table(table)])
  }

  /// The most characters of a sample that a page shows.
  private static let mostCharacters = 600

  private static func shortened(_ text: String) -> String {
    text.count <= mostCharacters ? text : text.prefix(mostCharacters) + " …"
  }
}

extension ReportBlock {
  /// Whether a plot has anything to show; true for all else.
  fileprivate var hasSeries: Bool {
    guard case .picture(let picture as PlotPicture) = self else { return true }
    return !picture.series.isEmpty
  }
}
