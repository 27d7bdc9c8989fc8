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
  var meetings: [[Meeting]] = Array(repeating: [], count: Stream.allCases.count)

  init(count: Int) { self.count = count }

  func arrive(_ stream: Stream, _ sequence: Int, at time: Int64, preparation: Int64) {
    let index = Int(stream.rawValue)
    if meetings[index].count == sequence { meetings[index].append(Meeting()) }
    meetings[index][sequence].arrived += 1
    meetings[index][sequence].ready = max(meetings[index][sequence].ready, time)
    meetings[index][sequence].preparation = max(
      meetings[index][sequence].preparation, preparation)
  }
}
