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
  private var heldOut: [Step] { steps.filter { $0.heldOutAccuracy != nil } }

  /// Held-out accuracy first: a reward alone may rise while nothing is learnt.
  var policyVerdict: String? {
    guard steps.contains(where: { $0.policy != nil }) else { return nil }
    let updates = steps.count { $0.step > 0 }
    let made = "\(name) made \(counted(updates, "update")) on \(counted(ranks, "rank"))"
    let asked = heldOut
    if asked.count > 1, let first = asked[0].heldOutAccuracy,
      let last = asked[asked.count - 1].heldOutAccuracy
    {
      return "\(made): of held-out answers \(percent(first)) were right before, "
        + "\(percent(last)) are now."
    }
    let rewards = steps.compactMap(\.reward)
    guard let first = rewards.first, let last = rewards.last else { return "\(made)." }
    return "\(made): the mean reward went from \(fixed(first, decimals: 3)) to "
      + "\(fixed(last, decimals: 3)); held-out prompts were not asked."
  }

  /// - Parameter place: where the figures have this phase.
  func policyFacts(at place: String) -> [ReportPage.Fact] {
    var facts: [ReportPage.Fact] = []
    if let index = steps.lastIndex(where: { $0.heldOutAccuracy != nil }),
      let share = steps[index].heldOutAccuracy
    {
      facts.append(
        .init(
          "Held-out",
          ReportFigure(
            percent(share), share, key: "\(place)steps.\(index).evaluation_accuracy"),
          note: "answers right, sampled"))
    }
    if let index = steps.lastIndex(where: { $0.reward != nil }), let reward = steps[index].reward {
      facts.append(
        .init(
          "Reward",
          ReportFigure(
            fixed(reward, decimals: 3), reward, key: "\(place)steps.\(index).reward"),
          note: "mean, last update"))
    }
    if let index = steps.lastIndex(where: { $0.meanLength != nil }),
      let length = steps[index].meanLength
    {
      facts.append(
        .init(
          "Length",
          ReportFigure(
            fixed(length, decimals: 1), length,
            key: "\(place)steps.\(index).completions/mean_length"),
          note: "tokens of a completion"))
    }
    return facts
  }

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
