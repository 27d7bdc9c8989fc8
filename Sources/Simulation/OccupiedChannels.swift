import Programs

/// The multiprocessors that collectives take of one rank's device during an action, and what kernels beside
/// them need.
///
/// A collective's channels are blocks that stay on the device from its start to its end and share no
/// multiprocessor with others (NVIDIA/nccl, issue 689). A kernel that runs beside one for a part of its time
/// advances through that part as on the multiprocessors that are left. A rank counts a collective for as
/// long as it takes from this rank's own coming: what the channels wait for others that come later is left
/// out, so that what a rank's kernels need does not depend on the order in which ranks are looked at.
struct OccupiedChannels {
  /// A collective that takes `count` multiprocessors for a while.
  struct Window: Hashable, Sendable {
    var stream: Stream
    var start: Int64
    var end: Int64
    var count: Int
  }

  /// Those that have not ended, in the order of their coming.
  private var windows: [Window] = []
  /// The first of their ends.
  private var firstEnd = Int64.max
  /// When the last transfer of each stream is through.
  private var streamEnd = SIMD8<Int64>(repeating: .min)

  /// - Parameter carried: what runs on from actions before this one.
  init(_ carried: CarriedStream = CarriedStream()) {
    windows = carried.channels
    let data = windows.lazy.filter { $0.stream == .data }.map(\.end)
    streamEnd[Int(Stream.data.rawValue)] = max(carried.end, data.max() ?? .min)
    findFirst()
  }

  /// Whether the same collectives are under way.
  func areLike(_ other: OccupiedChannels) -> Bool {
    streamEnd == other.streamEnd && windows == other.windows
  }

  /// Those that run on at `time`.
  func left(at time: Int64) -> [Window] { windows.filter { $0.end > time } }

  /// A transfer comes to its stream, where it starts when those before it are through.
  ///
  /// Gives that time.
  @discardableResult
  mutating func occupy(
    _ stream: Stream, _ count: Int, from time: Int64, for duration: Int64
  ) -> Int64 {
    let start = max(time, streamEnd[Int(stream.rawValue)])
    streamEnd[Int(stream.rawValue)] = start + duration
    guard count > 0, duration > 0 else { return start }
    windows.append(Window(stream: stream, start: start, end: start + duration, count: count))
    firstEnd = min(firstEnd, start + duration)
    return start
  }

  /// What runs on a stream at `time` takes longer, and what is behind it starts later.
  mutating func delay(_ stream: Stream, at time: Int64, by duration: Int64) {
    streamEnd[Int(stream.rawValue)] += duration
    for index in windows.indices where windows[index].stream == stream && windows[index].end > time
    {
      if windows[index].start > time { windows[index].start += duration }
      windows[index].end += duration
    }
    findFirst()
  }

  /// The multiprocessors that collectives take of the device at `time`, and until when they are the same, unless
  /// another one comes.
  mutating func taken(at time: Int64) -> (count: Int, until: Int64) {
    dropEnded(at: time)
    return shares(at: time)
  }

  private func shares(at time: Int64) -> (count: Int, until: Int64) {
    var (count, until) = (0, Int64.max)
    for window in windows where window.end > time {
      if window.start > time {
        until = min(until, window.start)
      } else {
        count += window.count
        until = min(until, window.end)
      }
    }
    return (count, until)
  }

  private mutating func dropEnded(at time: Int64) {
    guard firstEnd <= time else { return }
    windows.removeAll { $0.end <= time }
    findFirst()
  }

  private mutating func findFirst() {
    firstEnd = windows.reduce(.max) { min($0, $1.end) }
  }

  /// Picoseconds of an operation that starts at `time`.
  ///
  /// - Parameter whole: picoseconds of it beside so many multiprocessors taken.
  mutating func duration(from time: Int64, _ whole: (Int) -> Int64) -> Int64 {
    dropEnded(at: time)
    var now = time
    /// The part of the kernel that is still to be done.
    var left = 1.0
    while true {
      let (taken, until) = shares(at: now)
      let whole = whole(taken)
      let end = left == 1 ? now + whole : now + Int64((left * Double(whole)).rounded())
      guard until < end else { return end - time }
      left -= Double(until - now) / Double(whole)
      now = until
    }
  }
}
