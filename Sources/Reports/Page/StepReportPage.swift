import Engines
import Plans
import Programs
import Quantities
import Simulation

extension ReportPage {
  /// What a simulated step comes to, without what only its spans show.
  public init(step figures: StepFigures) throws {
    try self.init("simulate", verdict: figures.verdict, figures: figures)
    remarks = figures.remarks
    facts = figures.facts
    inputs = figures.inputs.lines(assuming: figures.assumptions)
    sections = [figures.timeSection, figures.memorySection]
    mostLines = 40
    guard let anchored = figures.anchored else { return }
    sections.append(Section("By what was measured", [.text(anchored.sentences)]))
    mostLines = nil
  }

  /// The same with its pictures over time and its ranks.
  ///
  /// - Parameters:
  ///   - result: the step with its spans kept.
  ///   - step: what was simulated.
  public init(step figures: StepFigures, _ result: StepResult, of step: PlannedStep) throws {
    try self.init(step: figures)
    let timelines = step.input.ranks.indices.compactMap { position -> (Int, Timeline)? in
      // The replica that the split is read at: the one that waits least.
      let replicas = result.ranks.filter { $0.position == position }
      guard let rank = replicas.min(by: { $0.split.bubble < $1.split.bubble }) else { return nil }
      return (
        position,
        Timeline(
          items: rank.items, transfers: rank.transfers,
          memory: TraceMemory.samples(of: rank, step.input))
      )
    }
    sections[1].blocks.insert(
      contentsOf: figures.memoryBlocks(timelines, duration: result.step), at: 0)
    sections =
      Self.timeSections(figures, step, duration: result.step, timelines) + sections
      + [figures.rankSection(result, step)]
  }

  private static func timeSections(
    _ figures: StepFigures, _ step: PlannedStep, duration: Int64,
    _ timelines: [(position: Int, timeline: Timeline)]
  ) -> [Section] {
    var lanes = StepLanes(step.input, step.placed.schedule, duration: duration, timelines)
    var actions = ActionLanes(step.input, lanes.timelines)
    var overview = lanes.overview(
      "The step of \(fixed(figures.stepSeconds, decimals: 3)) s by pipeline position")
    overview.choice = "actions"
    overview.choices = actions.choices
    let all = timelines.count
    let shown = lanes.timelines.count
    let some = shown < all ? " \(shown) of \(all) positions are drawn, evenly chosen." : ""
    let streams = lanes.streams().map { position, picture in
      var picture = picture
      picture.choice = "actions"
      picture.choices = actions.choices
      return (name: "position \(position)", blocks: [ReportBlock.picture(picture)])
    }
    var within = ReportChoice("Action", actions.options())
    within.identifier = "actions"
    within.isAside = true
    return [
      Section(
        "The step",
        lead:
          "Every row is a pipeline position, every box an action: its pass by colour. What is left "
          + "empty is bubble. Point at a box for its name, zoom with the wheel or +, choose a box to "
          + "see its kernels below.\(some)",
        [.picture(overview), .table(figures.positionTable)]),
      Section(
        "One position, stream by stream",
        lead: "What runs beside the compute stream is hidden; where the row of waits is filled, "
          + "computation stands still.",
        [.choice(ReportChoice("Position", streams))]),
      Section(
        "Inside an action",
        lead:
          "Kernel by kernel, with what is sent meanwhile. Actions that run the same kernels are one "
          + "entry of the list.",
        [.choice(within)]),
    ]
  }
}

extension Inputs {
  /// What was computed from, for a page.
  ///
  /// - Parameter isWhole: whether a terminal shows all assumptions, however many they are.
  func lines(assuming assumptions: [String], isWhole: Bool = false) -> [ReportPage.Input] {
    func text(_ name: String, _ given: String) -> String {
      given == name ? name : "\(name) (\(given))"
    }
    var lines: [ReportPage.Input] = []
    if let run { lines.append(.init("Run", text(run.name, run.given))) }
    if let model { lines.append(.init("Model", text(model.name, model.given))) }
    if let cluster { lines.append(.init("Cluster", text(cluster.name, cluster.given))) }
    if let plan {
      lines.append(
        .init(
          "Plan", text(plan.name, plan.given),
          details: plan.settings.leaves.filter { $0.text != "null" }
            .map { "\($0.keyPath): \($0.text)" }))
    }
    if !changes.isEmpty {
      lines.append(.init("Set", changes.joined(separator: "; "), in: .head))
    }
    if !following.isEmpty {
      lines.append(.init("Taken along", following.joined(separator: "; "), in: .head))
    }
    if !degradations.isEmpty {
      lines.append(.init("Degraded", degradations.joined(separator: "; "), in: .head))
    }
    if let data, !data.isEmpty { lines.append(.init("Data", data.joined(separator: ", "))) }
    if let seed { lines.append(.init("Seed", "\(seed)")) }
    if !assumptions.isEmpty {
      var assumed = ReportPage.Input(
        "Assumed", counted(assumptions.count, "choice"), details: assumptions, in: .foot)
      assumed.isWhole = isWhole
      lines.append(assumed)
    }
    lines.append(.init("Version", version))
    return lines
  }
}

extension StepFigures.Stage {
  /// What the position holds, in the words of the field: `embed + 3 dense + 1 MoE`.
  var contents: String {
    var text = units.joined(separator: " + ")
    for (long, short) in [("embedding", "embed"), ("mixture", "MoE"), ("1 MTP", "MTP")] {
      text = text.replacing(long, with: short)
    }
    return text
  }
}
