import Programs
import Simulation

/// A pass of one rank on a host that costs nothing: kernels one behind the other, transfers on their streams.
///
/// Beside collectives kernels advance as on the multiprocessors that these leave, as the simulation has it.
struct PassWalk {
  /// When something is over, and the kernels behind which it is.
  struct Moment: Comparable {
    var clock = 0.0
    var onPath = 0.0

    static func < (left: Self, right: Self) -> Bool { left.clock < right.clock }
  }

  /// A time in which a collective takes multiprocessors.
  private struct Window {
    var start: Double
    var end: Double
    var channels: Int
  }

  let isPair: Bool
  private var now = Moment()
  private var busy = 0.0
  private var streams = [Moment](repeating: Moment(), count: Stream.allCases.count)
  private var windows: [Window] = []

  init(isPair: Bool) { self.isPair = isPair }

  /// The ends of a program's transfers, none of which has begun.
  func ends(of program: Program) -> [Moment] {
    Array(repeating: Moment(), count: program.transfers.count)
  }

  /// What it has come to.
  ///
  /// - Parameter meets: whether ranks exchange something in it.
  func cost(meets: Bool) -> PassCost {
    PassCost(
      seconds: now.clock, onPath: now.onPath, busy: busy, meeting: meets ? busy : 0)
  }

  /// Walks some steps of a program.
  ///
  /// - Parameter price: seconds of an operation by itself, by its number.
  mutating func perform(
    _ steps: Range<Int>, of program: Program, _ ends: inout [Moment], _ lowering: UnitLowering,
    _ rows: ExchangeRows, _ price: (Int) -> Double
  ) {
    let isPair = isPair
    for step in program.steps[steps] {
      switch step {
      case .acquire, .release, .reduce, .gatherAhead: break
      case .compute(let index):
        let operation = program.operations[Int(index)]
        let seconds = seconds(price(Int(index))) {
          lowering.beside(operation, rows, $0, isPair: isPair)
        }
        now.clock += seconds
        now.onPath += seconds
        busy += seconds
      case .start(let index):
        ends[Int(index)] = start(program.transfers[Int(index)], lowering, rows)
      case .wait(let index): now = max(now, ends[Int(index)])
      }
    }
  }

  /// The end of a transfer that starts now, or when its stream is free.
  private mutating func start(
    _ transfer: Transfer, _ lowering: UnitLowering, _ rows: ExchangeRows
  ) -> Moment {
    let stream = Int(transfer.stream.rawValue)
    let start = max(now, streams[stream])
    var end = start
    end.clock += lowering.seconds(of: transfer, rows, isOverlapped: isPair)
    streams[stream] = end
    let channels = lowering.pricing.channels(of: transfer)
    if channels > 0, end.clock > start.clock {
      windows.append(Window(start: start.clock, end: end.clock, channels: channels))
    }
    return end
  }

  /// Seconds of a kernel that starts now and takes `alone` with nothing beside it.
  private mutating func seconds(_ alone: Double, _ beside: (Int) -> Double) -> Double {
    let start = now.clock
    windows.removeAll { $0.end <= start }
    guard windows.contains(where: { $0.start < start + alone }) else { return alone }
    var (time, left) = (start, 1.0)
    while true {
      let taken = windows.reduce(0) {
        $0 + ($1.start <= time && time < $1.end ? $1.channels : 0)
      }
      let whole = taken == 0 ? alone : max(alone, beside(taken))
      let end = time + left * whole
      var change = Double.infinity
      for window in windows {
        if window.start > time { change = min(change, window.start) }
        if window.end > time { change = min(change, window.end) }
      }
      guard change < end else { return end - start }
      left -= (change - time) / whole
      time = change
    }
  }
}
