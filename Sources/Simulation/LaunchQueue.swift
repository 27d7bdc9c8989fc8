/// A host that issues a rank's work ahead of its device, in the order of issue.
///
/// Times are picoseconds from the step's beginning.
package struct LaunchQueue {
  /// Launches that the host may be ahead of the device: behind about a thousand each waits until one has begun
  /// (measured: forums.developer.nvidia.com, topic 68937).
  package static let depth = 1_000

  /// When the host has issued all that came so far.
  package private(set) var host: Int64 = 0
  /// When the device has computed it.
  package private(set) var device: Int64 = 0
  /// When the last transfer is through; transfers follow one another.
  package private(set) var transfers: Int64 = 0
  /// When each of the last launches began.
  private var beginnings = [Int64](repeating: 0, count: depth)
  private var issued = 0

  package init() {}

  /// Issues kernels that compute `duration` together.
  ///
  /// - Parameter host: what the host takes to issue them.
  package mutating func compute(launches: Int, host cost: Int64, duration: Int64) {
    guard launches > 0 else { return device += duration }
    for _ in 0..<launches {
      device = launch(cost / Int64(launches), behind: device) + duration / Int64(launches)
    }
  }

  /// Issues a transfer behind what was issued before, and says when it is through.
  package mutating func transfer(host cost: Int64, duration: Int64) -> Int64 {
    transfers = launch(cost, behind: max(device, transfers)) + duration
    return transfers
  }

  /// What comes next is computed behind a transfer that ends then.
  package mutating func wait(until end: Int64) { device = max(device, end) }

  /// Issues one launch, and says when it begins: the queue has room, what is in front of it is done.
  private mutating func launch(_ cost: Int64, behind end: Int64) -> Int64 {
    let place = issued % Self.depth
    host = max(host + cost, beginnings[place])
    beginnings[place] = max(host, end)
    issued += 1
    return beginnings[place]
  }
}
