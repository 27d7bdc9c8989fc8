import Costs
import Engines
import Plans
import Programs
import Schedules

/// A forward and a backward of a step that run as one, by themselves: balanced experts, nobody waits for
/// anybody else, nothing under way when they begin.
public struct MergedPair: Sendable {
  /// The stages of the forward and of the backward.
  public let forward: Int
  public let backward: Int
  /// How many of the step's pairs are of these shapes, on one pipeline.
  public let count: Int
  let input: StepInput
  let pricing: ClusterPricing

  /// One pair of each shape that a step has, the commonest first.
  public static func all(of step: PlannedStep) -> [MergedPair] {
    var counts: [[Int]: Int] = [:]
    var order: [(key: [Int], forward: Int, backward: Int)] = []
    for case .overlapped(let forward, let backward) in step.input.ranks.flatMap(\.items) {
      let key = [step.input.shapes[forward.stage], step.input.shapes[backward.stage]]
      if counts[key] == nil { order.append((key, forward.stage, backward.stage)) }
      counts[key, default: 0] += 1
    }
    return order.enumerated().map { index, entry in
      (
        index,
        MergedPair(
          forward: entry.forward, backward: entry.backward, count: counts[entry.key] ?? 0,
          input: step.input, pricing: step.pricing)
      )
    }.sorted { ($1.1.count, $0.0) < ($0.1.count, $1.0) }.map(\.1)
  }

  /// The same pair with exchanges at one end of what their multiprocessors move.
  public func exchanging(at end: MultiprocessorRate.End) -> MergedPair {
    MergedPair(
      forward: forward, backward: backward, count: count, input: input,
      pricing: pricing.exchanging(at: end))
  }

  /// Multiprocessors that its exchanges take.
  public var multiprocessors: Int { pricing.communicationSMs }

  /// Whether its ranks exchange tokens.
  public var hasExchanges: Bool {
    (input.stages[forward].forward.transfers + input.stages[backward].backward.transfers)
      .contains { $0.kind.isExpertPayload }
  }

  func template(_ order: PairOrder) -> ActionTemplate {
    ActionTemplate(
      .overlapped(
        forward: Action(.forward, stage: forward, microbatch: 1),
        backward: Action(.backward, stage: backward, microbatch: 0)), ActionPlace(), input, pricing,
      RoutedPrices(pricing), order: order)
  }

  /// Simulates it, every operation.
  public func run(_ order: PairOrder) -> PairRun {
    let template = template(order)
    let rank = ActionRank(forwardRows: template.forwardEven, backwardRows: template.backwardEven)
    let record = ActionSimulation(
      template: template, ranks: [rank], keepsSpans: true, keepsLog: true
    ).run().records[0]
    return PairRun(
      picoseconds: record.duration, busy: record.busy, memory: record.memory.peak,
      spans: record.spans.map(named), started: record.started)
  }

  /// A span with what it belongs to.
  private func named(_ span: Timeline.Span) -> PairRun.Span {
    let program = span.isForward ? input.stages[forward].forward : input.stages[backward].backward
    switch span.kind {
    case .operation(let index):
      let pass = program.operations[Int(index)].pass
      return PairRun.Span(
        what: .computes(span.isForward ? .forward : pass == .backwardWeight ? .weight : .backward),
        stream: span.stream, start: span.start, end: span.end)
    case .transfer(let index):
      return PairRun.Span(
        what: .moves(program.transfers[Int(index)].kind.pairSegment, Int(index)),
        stream: span.stream, start: span.start, end: span.end)
    case .wait(let index):
      return PairRun.Span(
        what: .waits(program.transfers[Int(index)].kind.pairSegment, Int(index)),
        stream: span.stream, start: span.start, end: span.end)
    }
  }
}

/// A merged pair that was simulated.
public struct PairRun: Sendable {
  public struct Span: Hashable, Sendable {
    public enum What: Hashable, Sendable {
      case computes(PairSegment.Half)
      /// A transfer, by what it is of the pair if it is an exchange, and its number.
      case moves(PairSegment?, Int)
      case waits(PairSegment?, Int)
    }

    public var what: What
    public var stream: Stream
    public var start: Int64
    public var end: Int64
  }

  public var picoseconds: Int64
  /// Its kernels' times together.
  public var busy: Int64
  /// What it holds at its fullest beyond what it began with, bytes.
  public var memory: Int
  public var spans: [Span]
  /// What it started, in order.
  var started: [StartedWork]

  public var seconds: Double { Double(picoseconds) / 1e12 }

  /// How long the exchanges of one kind move, and for how much of it the pair stands still.
  public func exposure(of segment: PairSegment) -> Exposure {
    var sum = Exposure()
    for span in spans {
      guard case .moves(segment, let number) = span.what else { continue }
      sum.total += span.end - span.start
      for wait in spans where wait.what == .waits(segment, number) {
        sum.addWait(clock: wait.start, moving: span.start, end: wait.end)
      }
    }
    return sum
  }
}

extension TransferKind {
  /// The segment of a pair that an exchange is.
  var pairSegment: PairSegment? {
    switch self {
    case .dispatch: .forwardDispatch
    case .combine: .forwardCombine
    case .combineBackward: .backwardCombine
    case .dispatchBackward: .backwardDispatch
    default: nil
    }
  }
}
