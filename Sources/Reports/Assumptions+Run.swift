import Forecasts
import Quantities

extension Assumptions {
  /// What the simulated steps of a run assume: what holds for all of them as it is, the rest with where it holds.
  static func ofSteps(_ planned: PlannedRun) -> [String] {
    var phrases: [String] = []
    var parts: [String: Set<Int>] = [:]
    for simulated in planned.steps {
      for phrase in of(simulated.step, nil) {
        if parts[phrase] == nil { phrases.append(phrase) }
        parts[phrase, default: []].formUnion(simulated.parts)
      }
    }
    let all = Set(planned.steps.flatMap(\.parts))
    return phrases.map { phrase in
      let own = parts[phrase] ?? []
      return own == all ? phrase : "\(phrase) (\(settings(own, of: planned)))"
    }
  }

  /// Parts of a run in words: phases by their names, of a ramp some of whose batches are meant these too.
  private static func settings(_ chosen: Set<Int>, of planned: PlannedRun) -> String {
    planned.phases.enumerated().compactMap { number, name -> String? in
      let whole = planned.parts.indices.filter { planned.parts[$0].phase == number }
      let own = whole.filter(chosen.contains)
      guard !own.isEmpty else { return nil }
      guard own.count < whole.count else { return name }
      let batches = own.map { grouped(planned.parts[$0].globalBatch) }
      return "\(name) at a batch of \(batches.joined(separator: ", "))"
    }.joined(separator: "; ")
  }
}
