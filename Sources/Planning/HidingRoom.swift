import Programs
import Simulation

/// How long collectives over copies may run beside kernels, by what of that time the kernels lose, since
/// channels of collectives take multiprocessors from them.
package struct HidingRoom: Hashable, Sendable {
  /// Lower ends of the losses that share an entry.
  private static let losses = SIMD8<Double>(0, 0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.25)
  private var seconds = SIMD8<Double>()

  package init() {}

  /// Adds a kernel by what it takes without a collective over copies and with one, in every state of the
  /// device in which it may run: the least loss counts, and the longest time.
  package mutating func add(_ states: [(without: Double, with: Double)]) {
    var (loss, longest) = (1.0, 0.0)
    for state in states where state.with > 0 {
      loss = min(loss, 1 - state.without / state.with)
      longest = max(longest, state.without, state.with)
    }
    let place = (0..<8).last { Self.losses[$0] <= loss } ?? 0
    seconds[place] += longest
  }

  /// By how much kernels take longer at least that have so much beside them; what finds no kernel is waited
  /// for.
  package func loss(hiding length: Double) -> Double {
    var (left, lost) = (length, 0.0)
    for place in 0..<8 where left > 0 {
      let part = min(left, seconds[place])
      lost += part * Self.losses[place]
      left -= part
    }
    return lost + max(0, left)
  }

  package static func + (left: Self, right: Self) -> Self {
    var sum = left
    sum.seconds += right.seconds
    return sum
  }

  package static func * (factor: Double, room: Self) -> Self {
    var scaled = room
    scaled.seconds *= factor
    return scaled
  }
}

/// Room beside a unit's kernels, by how many multiprocessors a collective over copies takes.
struct HidingRooms: Hashable, Sendable {
  /// Those that it may take, in their order, and the room beside each.
  private var counts: [Int] = []
  private var rooms: [HidingRoom] = []
  /// The room beside collectives of several of them: of each kernel the least loss counts.
  private var any = HidingRoom()

  init() {}

  /// Adds a kernel by its times in every state of the device, with collectives that take so many.
  mutating func add(_ times: [(count: Int, states: [HidingStates.Times])]) {
    if counts.isEmpty {
      counts = times.map(\.count)
      rooms = times.map { _ in HidingRoom() }
    }
    for (place, own) in times.enumerated() { rooms[place].add(own.states) }
    any.add(times.flatMap(\.states))
  }

  /// The room beside collectives that take these numbers of multiprocessors.
  func room(beside taken: Set<Int>) -> HidingRoom {
    guard taken.count == 1, let only = taken.first, let place = counts.firstIndex(of: only) else {
      return any
    }
    return rooms[place]
  }
}

/// What a unit's own collectives may have of the device when one over copies comes, as numbers of
/// multiprocessors.
///
/// Kernels come in waves of blocks: with a third of the device gone a kernel may lose nothing more.
struct HidingStates {
  /// What one over copies takes, which hangs on how many of its ranks lie on a node.
  private let copies: [Int]
  private let beside: [Int]
  private let besidePairs: [Int]

  init(_ stage: StageProgram, _ pricing: ClusterPricing) {
    let programs = [stage.forward, stage.backward, stage.backwardInput, stage.backwardWeight]
    copies = pricing.channelsOfCopies.sorted()
    beside = Self.sums(programs.flatMap(Self.transfersBesideKernels), pricing)
    besidePairs = Self.sums(programs.flatMap(\.transfers), pricing)
  }

  typealias Times = (without: Double, with: Double)

  /// Seconds of a kernel outside of pairs in each state, without a collective over copies and with one of each kind.
  func alone(_ seconds: (Int) -> Double) -> [(count: Int, states: [Times])] {
    Self.times(beside, copies, seconds)
  }

  /// The same in pairs, where the other half's kernels run beside whatever one waits for.
  func inPairs(_ seconds: (Int) -> Double) -> [(count: Int, states: [Times])] {
    Self.times(besidePairs, copies, seconds)
  }

  private static func times(
    _ own: [Int], _ copies: [Int], _ seconds: (Int) -> Double
  ) -> [(count: Int, states: [Times])] {
    let without = own.map(seconds)
    return copies.map { count in
      (count, zip(own, without).map { (without: $1, with: seconds($0 + count)) })
    }
  }

  /// Those that are not waited for before the next kernel.
  private static func transfersBesideKernels(_ program: Program) -> [Transfer] {
    var open: Set<Int> = []
    var found: Set<Int> = []
    for step in program.steps {
      switch step {
      case .start(let index): open.insert(Int(index))
      case .wait(let index): open.remove(Int(index))
      case .compute: found.formUnion(open)
      case .acquire, .release, .reduce, .gatherAhead: break
      }
    }
    return found.sorted().map { program.transfers[$0] }
  }

  /// None of them, each, or several at once: one of a stream at a time.
  private static func sums(_ transfers: [Transfer], _ pricing: ClusterPricing) -> [Int] {
    var sums: Set<Int> = [0]
    for stream in Stream.allCases {
      let own = Set(
        transfers.lazy.filter { $0.stream == stream }.map { pricing.channels(of: $0) })
      sums.formUnion(sums.flatMap { sum in own.map { sum + $0 } })
    }
    return sums.sorted()
  }
}
