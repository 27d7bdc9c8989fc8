/// The steps of a run from its first to its last, with the places of its checkpoints.
///
/// A place is a number of steps from the beginning, a started step counted in parts. Checkpoints lie
/// behind every so many steps of a phase and behind its last.
struct Road: Sendable {
  /// Steps that are alike, with where they begin.
  struct Part: Sendable {
    var phase: Int
    /// The first step, and the one behind the last, counted over the run.
    var first: Double
    var end: Double
    /// Where the phase begins and ends.
    var phaseFirst: Double
    var phaseEnd: Double
    var stepSeconds: Double
    /// Seconds of work in front of the part.
    var seconds: Double
    /// Steps between checkpoints.
    var every: Double
  }

  let parts: [Part]
  let writing: Double
  let storedEvery: Double

  init(_ model: RunModel) {
    writing = model.checkpoints.writing
    storedEvery = Double(max(1, model.checkpoints.storedEvery))
    var parts: [Part] = []
    var steps = 0.0
    var seconds = 0.0
    for stretch in model.stretches where stretch.steps > 0 {
      let every = Double(model.stepsBetweenCheckpoints(stretch))
      let isNew = parts.last?.phase != stretch.phase
      parts.append(
        Part(
          phase: stretch.phase, first: steps, end: steps + Double(stretch.steps),
          phaseFirst: isNew ? steps : parts[parts.count - 1].phaseFirst, phaseEnd: 0,
          stepSeconds: stretch.stepSeconds, seconds: seconds, every: every))
      steps += Double(stretch.steps)
      seconds += Double(stretch.steps) * stretch.stepSeconds
    }
    var end = steps
    for index in parts.indices.reversed() {
      if index + 1 < parts.count, parts[index + 1].phase != parts[index].phase {
        end = parts[index].end
      }
      parts[index].phaseEnd = end
    }
    self.parts = parts
  }

  var end: Double { parts.last?.end ?? 0 }

  /// The part in which the step behind a place lies; the last one at the end.
  func part(at place: Double) -> Int {
    var (low, high) = (0, parts.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if place < parts[middle].end { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Seconds of work in front of a place.
  func seconds(at place: Double) -> Double {
    let part = parts[part(at: place)]
    return part.seconds + (place - part.first) * part.stepSeconds
  }

  /// The next checkpoint behind a place of a part, if the part reaches so far; else its end.
  func next(after place: Double, in index: Int) -> (place: Double, isCheckpoint: Bool) {
    let part = parts[index]
    let number = ((place - part.phaseFirst) / part.every).rounded(.down) + 1
    let at = part.phaseFirst + number * part.every
    guard at < part.end else {
      return (part.end, at == part.end || part.end == part.phaseEnd)
    }
    return (at, true)
  }

  /// The newest checkpoint at a place or in front of it; the beginning where there is none.
  ///
  /// - Parameter isStored: of those that are in storage, not in memory alone.
  func newest(atOrBefore place: Double, isStored: Bool) -> Double {
    guard place > 0 else { return 0 }
    var index = part(at: place)
    while index >= 0 {
      let part = parts[index]
      if place >= part.phaseEnd { return part.phaseEnd }
      let every = part.every * (isStored ? storedEvery : 1)
      let inPart = min(place, part.end)
      let at = part.phaseFirst + ((inPart - part.phaseFirst) / every).rounded(.down) * every
      // Counted from the phase's beginning, one may lie in a part whose own lie elsewhere.
      if at > part.first { return at }
      if at == part.first, part.first == part.phaseFirst { return at }
      index -= 1
    }
    return 0
  }
}
