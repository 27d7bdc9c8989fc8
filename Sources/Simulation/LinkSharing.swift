/// What a transfer takes of a rank's adapter and of its link inside the node while nothing is beside it, as
/// shares of what they carry.
public struct LinkLoad: Hashable, Sendable {
  public var adapter: Double
  public var link: Double

  public init(adapter: Double = 0, link: Double = 0) {
    self.adapter = adapter
    self.link = link
  }

  /// It moves nothing, or is taken to need nobody's links.
  public static let none = LinkLoad()

  /// How fast two transfers move at once, 1 for as fast as alone.
  ///
  /// A link that does not carry both is split evenly, and who needs less than half of it has what it needs
  /// (max-min fair). Neither gets below half of its speed.
  static func speeds(_ first: LinkLoad, _ second: LinkLoad) -> (first: Double, second: Double) {
    var speeds = (first: 1.0, second: 1.0)
    func split(_ one: Double, _ other: Double) {
      let needs = (one * speeds.first, other * speeds.second)
      guard needs.0 + needs.1 > 1 else { return }
      let share = needs.0 <= 0.5 ? needs.0 : max(0.5, 1 - needs.1)
      speeds.first *= share / needs.0
      speeds.second *= (1 - share) / needs.1
    }
    // What the fuller link slows takes less of the other one.
    if first.adapter + second.adapter >= first.link + second.link {
      split(first.adapter, second.adapter)
      split(first.link, second.link)
    } else {
      split(first.link, second.link)
      split(first.adapter, second.adapter)
    }
    return speeds
  }
}

/// Reductions that one rank has begun, and the exchanges beside them with which they share its links.
///
/// A reduction counts from this rank's own coming, behind those before it, as its channels do
/// (`OccupiedChannels`): what it waits for others that come later is left out, so that an exchange does not
/// depend on the order in which ranks are looked at.
package struct LinkSharing: Equatable {
  package init() {}

  private struct Work: Equatable {
    var reduction: CarriedStream.Reduction
    /// Picoseconds alone that are left of it, and those that exchanges have made it longer.
    var left: Double
    var delay = 0.0
  }

  private var works: [Work] = []
  /// The first that is not through, and until when it has been moved on.
  private var next = 0
  private var clock = 0.0

  /// Less than this is rounding, picoseconds.
  private static let nothing = 1e-3

  /// Nothing is shared before the first reduction.
  var isEmpty: Bool { next == works.count }

  package mutating func begin(_ reduction: CarriedStream.Reduction) {
    works.append(Work(reduction: reduction, left: Double(reduction.left)))
  }

  /// When an exchange is through that takes `alone` with nothing beside it, and how much longer it has made
  /// what is beside it.
  ///
  /// - Precondition: exchanges come one behind another.
  package mutating func end(
    ofExchange alone: Int64, _ load: LinkLoad, from time: Int64
  ) -> (end: Int64, delay: Int64) {
    pass(until: Double(time))
    let start = clock
    var delay = 0.0
    var left = Double(alone)
    while left > Self.nothing {
      guard next < works.count else {
        clock += left
        break
      }
      let begin = Double(works[next].reduction.start)
      if begin > clock {
        let step = min(left, begin - clock)
        left -= step
        clock += step
        continue
      }
      let speeds = LinkLoad.speeds(load, works[next].reduction.load)
      let step = min(left / speeds.first, works[next].left / speeds.second)
      left -= step * speeds.first
      works[next].left -= step * speeds.second
      works[next].delay += step * (1 - speeds.second)
      delay += step * (1 - speeds.second)
      clock += step
      if works[next].left <= Self.nothing { next += 1 }
    }
    return (
      time + max(alone, Int64((clock - start).rounded())), Int64(delay.rounded())
    )
  }

  /// Moves reductions on with nothing beside them.
  private mutating func pass(until time: Double) {
    while next < works.count {
      let begin = max(clock, Double(works[next].reduction.start))
      let end = begin + works[next].left
      guard end <= time else {
        works[next].left -= max(0, time - begin)
        break
      }
      clock = end
      next += 1
    }
    clock = max(clock, time)
  }

  /// What is left of them at a time, in their order.
  package func left(at time: Int64) -> [CarriedStream.Reduction] {
    var sharing = self
    sharing.pass(until: Double(time))
    return sharing.works[sharing.next...].map { work in
      var reduction = work.reduction
      reduction.start = max(reduction.start, time)
      reduction.left = Int64(work.left.rounded(.up))
      return reduction
    }
  }

  /// Picoseconds by which exchanges have made each longer, in the order of their beginning.
  package var delays: [Int64] { works.map { Int64($0.delay.rounded()) } }
}
