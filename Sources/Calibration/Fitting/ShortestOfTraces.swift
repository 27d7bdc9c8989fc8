extension Array<MeasuredCollective> {
  /// Without those messages of traces that another row shows to be waiting.
  ///
  /// A kernel of a message waits for its peers, so that of several traces, one for each rank, the shortest counts, as
  /// it does inside one; beside a benchmark, whose ranks start together, a longer one of a trace says nothing.
  var shortestOfTraces: [MeasuredCollective] {
    guard contains(where: \.mayWait) else { return self }
    return byThing.flatMap { equal -> [MeasuredCollective] in
      let measured = equal.rows.filter { !$0.mayWait }
      guard let shortest = equal.rows.filter(\.mayWait).min(by: { $0.seconds < $1.seconds }),
        measured.allSatisfy({ $0.seconds > shortest.seconds })
      else { return measured }
      return measured + [shortest]
    }
  }
}
