import Engines
import Plans
import Programs
import Schedules

/// A merged pair by segments, with what each does to the clocks of a rank: enough to time any order of them
/// without walking its kernels.
///
/// Exact where the pair's own exchanges are all that it waits for; other transfers (tensor and context
/// groups, gathers of parameters) are taken to move alone, from where they start.
public struct PairParts: Sendable {
  /// What a segment does, in order.
  public enum Step: Hashable, Sendable {
    /// Kernels one behind the other: they end `alone` behind the clock or `issued` behind the host's,
    /// whichever is later; `host` is what the host takes.
    case compute(alone: Int64, issued: Int64, host: Int64)
    /// An exchange of the segment's pass; it moves for `payload` once `preparation` is over.
    case start(preparation: Int64, payload: Int64, host: Int64)
    /// For the exchange of the segment's pass that was started last.
    case wait
    /// An exchange of counts, for which the host may wait.
    case counts(host: Int64)
    /// Another transfer, by its number in the pass.
    case startOther(Int, payload: Int64, host: Int64)
    case waitOther(Int)
  }

  public struct Segment: Hashable, Sendable {
    public var segment: PairSegment
    public var steps: [Step]
    /// Of a weight half: the number of the backward's segment whose weights it computes.
    public var owner: Int

    public init(segment: PairSegment, steps: [Step], owner: Int) {
      (self.segment, self.steps, self.owner) = (segment, steps, owner)
    }

    /// Picoseconds of its kernels, and those of what it sends.
    public var compute: Int64 {
      steps.reduce(0) { if case .compute(let alone, _, _) = $1 { $0 + alone } else { $0 } }
    }

    public var moving: Int64 {
      steps.reduce(0) {
        if case .start(let preparation, let payload, _) = $1 {
          $0 + preparation + payload
        } else {
          $0
        }
      }
    }
  }

  /// The segments of each pass in their order, weight halves apart, oldest first.
  public var forward: [Segment] = []
  public var backward: [Segment] = []
  public var weights: [Segment] = []
  /// What comes behind everything else of the backward.
  public var end: [Step] = []
  /// The host waits for counts of every dispatch.
  public var waitsForCounts: Bool
  /// Whether the pair waits for nothing but its own exchanges.
  public var isExact = true

  /// For parts that are made by hand.
  public init(
    forward: [Segment], backward: [Segment], weights: [Segment], waitsForCounts: Bool = false
  ) {
    (self.forward, self.backward, self.weights) = (forward, backward, weights)
    self.waitsForCounts = waitsForCounts
  }

  /// Cuts a pair into its segments and prices them.
  public init(_ pair: MergedPair) {
    let template = pair.template(.published)
    let rank = ActionRank(forwardRows: template.forwardEven, backwardRows: template.backwardEven)
    let reader = PairReader(template, rank, pair)
    waitsForCounts = pair.pricing.waitsForCounts
    let first = pair.input.stages[pair.forward].forward
    for block in first.forwardSegments {
      let steps = reader.steps(first, block.steps, isForward: true)
      if block.goesOn {
        forward[forward.count - 1].steps += steps
      } else {
        forward.append(Segment(segment: block.segment, steps: steps, owner: -1))
      }
    }
    let second = pair.input.stages[pair.backward].backward
    let blocks = second.backwardSegments
    for (index, block) in blocks.enumerated() {
      let steps = reader.steps(second, block.steps, isForward: false)
      if block.segment.half == .weight {
        let owner = backward.lastIndex { $0.segment == block.segment.owner } ?? 0
        weights.append(Segment(segment: block.segment, steps: steps, owner: owner))
      } else if block.goesOn, index == blocks.count - 1 {
        end = steps
      } else if block.goesOn {
        backward[backward.count - 1].steps += steps
      } else {
        backward.append(Segment(segment: block.segment, steps: steps, owner: -1))
      }
    }
    isExact = (forward + backward + weights).allSatisfy { segment in
      segment.steps.allSatisfy { if case .startOther = $0 { false } else { true } }
    }
  }

  /// Weight halves become parts of the exchanges that they were put off behind.
  public mutating func putWeightsInPlace() {
    for half in weights {
      let place = min(half.owner + 1, backward.count - 1)
      backward[place].steps += half.steps
    }
    weights = []
  }

  /// Picoseconds of all kernels, and of all exchanges.
  public var compute: Int64 {
    (forward + backward + weights).reduce(0) { $0 + $1.compute }
      + Segment(segment: .backwardAttention, steps: end, owner: -1).compute
  }

  public var moving: Int64 { (forward + backward).reduce(0) { $0 + $1.moving } }
}

/// Reads the steps of programs into what they do to clocks.
private struct PairReader {
  let template: ActionTemplate
  let pair: MergedPair
  let durations: [Int64]

  init(_ template: ActionTemplate, _ rank: ActionRank, _ pair: MergedPair) {
    (self.template, self.pair) = (template, pair)
    durations = template.durations(rank)
  }

  func steps(_ program: Program, _ range: Range<Int>, isForward: Bool) -> [PairParts.Step] {
    var made: [PairParts.Step] = []
    for step in program.steps[range] {
      switch step {
      case .compute(let index):
        append(isForward ? Int(index) : template.forwardCount + Int(index), to: &made)
      case .start(let index):
        made.append(start(program.transfers[Int(index)], Int(index), isForward))
      case .wait(let index):
        switch program.transfers[Int(index)].kind {
        case .counts: break
        case let kind where kind.pairSegment?.half == (isForward ? .forward : .backward):
          made.append(.wait)
        default: made.append(.waitOther(Int(index)))
        }
      case .acquire, .release, .reduce, .gatherAhead: break
      }
    }
    return made
  }

  /// Adds a kernel, behind those before it.
  private func append(_ kernel: Int, to made: inout [PairParts.Step]) {
    let (duration, host) = (durations[kernel], template.hostDurations[kernel])
    guard case .compute(let alone, let issued, let before)? = made.last else {
      made.append(.compute(alone: duration, issued: host + duration, host: host))
      return
    }
    made[made.count - 1] = .compute(
      alone: alone + duration, issued: max(issued + duration, before + host + duration),
      host: before + host)
  }

  private func start(_ transfer: Transfer, _ index: Int, _ isForward: Bool) -> PairParts.Step {
    let host = template.hostDuration(of: transfer)
    let rows = isForward ? template.forwardEven : template.backwardEven
    if case .counts = transfer.kind { return .counts(host: host) }
    if transfer.kind.isExpertPayload {
      let price = pair.pricing.price(ofExchange: transfer, rows: rows, isOverlapped: true)
      let (preparation, payload) = (picoseconds(price.preparation), picoseconds(price.payload))
      if transfer.kind.pairSegment?.half == (isForward ? .forward : .backward) {
        return .start(preparation: preparation, payload: payload, host: host)
      }
      return .startOther(index, payload: preparation + payload, host: host)
    }
    var known = transfer
    if transfer.rows.exchange != nil { known.rows = .fixed(rows(transfer.rows)) }
    let stage = isForward ? pair.forward : pair.backward
    return .startOther(
      index, payload: picoseconds(pair.pricing.seconds(ofCollective: known, stage: stage)),
      host: host)
  }
}
