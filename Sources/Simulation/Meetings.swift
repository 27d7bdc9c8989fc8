import Programs

/// Where the ranks of an action meet: the n-th transfer of a stream is the same one on all of them.
final class Meetings {
  struct Meeting {
    var arrived = 0
    /// The latest arrival: all bytes move from here.
    var ready: Int64 = 0
    /// The longest preparation of a rank.
    var preparation: Int64 = 0
  }

  let count: Int
  /// One behind the other by number, the streams of each in their order.
  private var meetings: [Meeting] = []

  init(count: Int) { self.count = count }

  subscript(stream: Stream, sequence: Int) -> Meeting { meetings[place(stream, sequence)] }

  /// - Parameter ranks: how many come at once.
  func arrive(
    _ stream: Stream, _ sequence: Int, at time: Int64, preparation: Int64, for ranks: Int
  ) {
    let place = place(stream, sequence)
    while meetings.count <= place { meetings.append(Meeting()) }
    meetings[place].arrived += ranks
    precondition(meetings[place].arrived <= count, "A rank comes to a transfer once.")
    meetings[place].ready = max(meetings[place].ready, time)
    meetings[place].preparation = max(meetings[place].preparation, preparation)
  }

  private func place(_ stream: Stream, _ sequence: Int) -> Int {
    sequence * Stream.allCases.count + Int(stream.rawValue)
  }
}
