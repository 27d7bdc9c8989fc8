import Planning
import Quantities

extension SearchFigures {
  /// What the plans lose, what tells them apart, what fills their memory, what measured runs say and what is
  /// not told apart, a sentence each.
  ///
  /// - Parameter places: the numbers under which the plans are listed.
  func differences(at places: [Int]) -> [String] {
    guard let first = places.first else { return [] }
    return difference(places) + memoryText(places) + anchoredSentences(places) + doubt(first)
      + (against.map { [text(of: $0, first)] } ?? [])
  }

  /// Why the second plan lost, and what keeps the first from being faster.
  private func difference(_ places: [Int]) -> [String] {
    guard let best = plans.first else { return [] }
    let exposed = best.communicationSeconds.kinds
      .filter { $0.time.exposed > 0.005 * best.stepSeconds }
      .sorted { $0.time.exposed > $1.time.exposed }
      .map { kind in
        "\(kind.name) exchange \(percent(kind.time.exposed / best.stepSeconds))"
          + (best.ways[kind.name].map { " over \($0)" } ?? "")
      }
    var limits = ["bubble \(percent(best.splitSeconds.bubble / best.stepSeconds))"] + exposed
    if best.recomputedShare > 0.005 {
      limits.append("recomputation \(percent(best.recomputedShare))")
    }
    var sentences = ["What plan \(places[0]) still loses: \(limits.joined(separator: ", "))."]
    if plans.count > 1 {
      let other = plans[1]
      let parts = parts(of: other, against: best)
      sentences.append(
        "Plan \(places[1]) takes \(fixed(other.stepSeconds - best.stepSeconds, decimals: 3)) s more"
          + (parts.isEmpty ? "." : ": \(parts.joined(separator: ", ")); settings that differ: ")
          + (parts.isEmpty ? "" : settings(of: other, against: best) + "."))
    }
    return sentences
  }

  /// What decides the memory of the first plan, and of others that are as good as full.
  private func memoryText(_ places: [Int]) -> [String] {
    let close = plans.enumerated().filter { index, item in
      index == 0 || Double(item.marginBytes) < 0.03 * Double(item.memoryBytes.limit)
    }.prefix(3)
    return close.map { index, item in
      let memory = item.memoryBytes
      let gaps = (memory.reserved ?? memory.peak) - memory.peak
      let parts = [
        ("activations", memory.activations), ("optimizer state", memory.optimizer),
        ("parameters", memory.parameters), ("gradients", memory.gradients),
        ("communication", memory.communication), ("the framework's buffers", memory.workspace),
        ("the allocator's gaps", gaps),
      ].filter { $0.1 > 0 }.sorted { $0.1 > $1.1 }.prefix(3)
        .map { "\($0.0) \(gibibytes(Double($0.1)))" }
      return "Plan \(places[index]) leaves \(gibibytes(Double(item.marginBytes))) of "
        + "\(gibibytes(Double(memory.limit))) GiB (\(gibibytes(Double(memory.reserve))) are kept in "
        + "reserve); most goes to \(parts.joined(separator: ", "))."
    }
  }

  /// What is not told apart, and which constant decides.
  private func doubt(_ first: Int) -> [String] {
    var sentences = [
      "The model's steps of this kind are off by \(percent(statedError.share)) in the mean "
        + "(\(statedError.source)): \(indifferentIsComplete ? "" : "at least ")"
        + "\(counted(indifferent, "plan")) \(indifferent == 1 ? "lies" : "lie") within that of the "
        + "fastest, and their order says little."
    ]
    if let winnerChanges {
      sentences += winnerChanges.prefix(4).map { change in
        "\(change.winner) is the best once \(change.key) is \(percent(abs(change.factor - 1))) "
          + "\(change.factor < 1 ? "lower" : "higher") (\(change.source): it may be off by "
          + "\(percent(change.greatestFactor - 1)))."
      }
      if winnerChanges.isEmpty {
        sentences.append(
          "No single constant, moved as far as its measurements leave it, changes plan \(first).")
      }
    }
    return sentences
  }

  /// Seconds of the split and of exposed exchanges in which two plans differ, the largest first.
  private func parts(of other: Item, against best: Item) -> [String] {
    var parts = zip(other.splitSeconds.parts, best.splitSeconds.parts)
      .map { (name: $0.name, seconds: $0.seconds - $1.seconds) }
    parts += zip(other.communicationSeconds.kinds, best.communicationSeconds.kinds).map {
      (name: "of which exposed \($0.name)", seconds: $0.time.exposed - $1.time.exposed)
    }
    return parts.filter { $0.seconds.magnitude >= 0.0005 }
      .sorted { $0.seconds.magnitude > $1.seconds.magnitude }
      .map { "\($0.name) \($0.seconds < 0 ? "" : "+")\(fixed($0.seconds, decimals: 3))" }
  }

  private func settings(of other: Item, against best: Item) -> String {
    let (left, right) = (best.plan.leaves, other.plan.leaves)
    let parts = right.compactMap { leaf -> String? in
      guard leaf.keyPath != "name" else { return nil }
      let known = left.first { $0.keyPath == leaf.keyPath }?.text
      return known == leaf.text ? nil : "\(leaf.keyPath) \(leaf.text) for \(known ?? "none")"
    }
    return parts.isEmpty ? "none" : parts.joined(separator: ", ")
  }

  private func text(of against: Against, _ first: Int) -> String {
    let item = against.plan
    let place =
      against.betterPlans.map { count in
        count == 0
          ? "no plan of the space is better"
          : "\(counted(count, "plan")) of the space "
            + "\(count == 1 ? "is" : "are") better and \(count == 1 ? "fits" : "fit")"
      }
      ?? (openBoundSeconds != nil || isInterrupted
        ? "how many plans are better is not counted, as the search ended early"
        : "how many plans are better is not counted: behind the \(plans.count) best they are not simulated one by one")
    var text =
      "Held against \(item.name): step \(fixed(item.stepSeconds, decimals: 3)) s, "
      + "\(gibibytes(Double(item.memoryBytes.peak))) GiB"
      + (item.fits ? "" : " (does NOT fit)") + "; \(place)."
    if !against.otherConditions.isEmpty {
      text +=
        " Conditions of its own, which the plans of the search have otherwise: "
        + against.otherConditions.joined(separator: ", ") + "."
    }
    if let best = plans.first, best.stepSeconds < item.stepSeconds {
      text +=
        " Plan \(first) gains \(fixed(item.stepSeconds - best.stepSeconds, decimals: 3)) s: "
        + parts(of: best, against: item).joined(separator: ", ") + "; settings that differ: "
        + settings(of: best, against: item) + "."
    }
    return text
  }

  private var simulationText: String {
    let text = counted(space.simulations, "simulation")
    guard space.evenSimulations > 0 else { return text }
    return text + ", \(grouped(space.evenSimulations)) more with equal loads"
  }

  /// How the space was spent, and what refused points of it.
  var spaceText: [String] {
    let spent =
      "Space: \(counted(space.size, "plan")): \(grouped(space.refused)) refused, "
      + "\(grouped(space.outOfMemory)) without room, \(grouped(space.bounded)) bounded, "
      + "\(grouped(space.simulated)) simulated (\(simulationText)); "
      + "\(fixed(seconds, decimals: 1)) s on "
      + "\(counted(threads, "thread"))."
    let reasons = space.refusedBy.prefix(6).map { "\(grouped($0.count)) \($0.rule)" }
    let refused =
      "Refused: " + reasons.joined(separator: "; ")
      + (space.refusedBy.count > 6 ? "; … (all of it with --json)." : ".")
    return [spent] + (reasons.isEmpty ? [] : [refused])
  }

  /// What is known of plans that were not simulated.
  var proof: String {
    guard let best = plans.first else { return "" }
    let end = isInterrupted ? "Interrupted" : "Ended early (--simulations 0 goes on)"
    guard let openBoundSeconds else {
      return isInterrupted
        ? "\(end): plans that were not looked at may be better."
        : "No plan of the space is better than those that are listed."
    }
    guard objective != SearchObjective.memory.rawValue else {
      return "\(end): plans that were not simulated may need less memory."
    }
    guard openBoundSeconds < best.stepSeconds else {
      return "\(end): no plan of the space is faster than the first; those behind it may be."
    }
    let share = percent(1 - openBoundSeconds / best.stepSeconds)
    return
      "\(end): plans that were not simulated may be faster, by \(share) at most "
      + "(no step can be shorter than \(fixed(openBoundSeconds, decimals: 3)) s)."
  }
}
