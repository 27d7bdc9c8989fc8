import Documents

/// What a run's log says of its steps.
struct FaultLog {
  private(set) var steps: [FaultReport.Step] = []

  /// - Parameter text: the log; a line that is cut is passed over.
  init(_ text: String) {
    // Each start writes a header with what it computes from.
    var ranks = 0
    var isFirst = true
    for line in text.split(separator: "\n") {
      guard let value = try? JSONValue(Array(line.utf8)) else { continue }
      if let settings = value["inputs"]?["plan"]?["settings"] {
        (ranks, isFirst) = (settings["data-parallel"]?.number ?? 0, true)
      }
      guard let number = value["step"]?.number, let ended = value["wall_time"]?.double,
        let seconds = value["seconds"]?.double, let loss = value["loss"]?.double
      else { continue }
      steps.append(
        FaultReport.Step(
          number: number, ranks: ranks, isFirst: isFirst, ended: ended, seconds: seconds,
          loss: loss))
      isFirst = false
    }
  }
}
