import Engines
import Programs
import Schedules

/// What a rank's data stream still carries when an action begins: transfers that actions before it have
/// started.
package struct CarriedStream: Hashable, Sendable {
  /// A gather whose parameters the action begins with.
  struct Gather: Hashable, Sendable {
    var moving: Int64
    var end: Int64
  }

  /// A bucket's reduction that is under way, or behind others that are.
  package struct Reduction: Hashable, Sendable {
    /// When it moves on at the earliest, and the picoseconds that are left of it with nothing beside it.
    package var start: Int64
    package var left: Int64
    var load: LinkLoad

    package init(start: Int64, left: Int64, load: LinkLoad) {
      self.start = start
      self.left = left
      self.load = load
    }
  }

  /// When the stream is idle again.
  var end: Int64 = 0
  /// The action's first gathers, where one before it has started them.
  var gathers: [Gather] = []
  /// What its transfers take of the device, reductions among them.
  var channels: [OccupiedChannels.Window] = []
  /// What of the reductions that actions have started is left, and what they take of the rank's links.
  var reductions: [Reduction] = []

  /// The same, counted from another moment.
  func counted(from start: Int64) -> CarriedStream {
    CarriedStream(
      end: end - start,
      gathers: gathers.map { Gather(moving: $0.moving - start, end: $0.end - start) },
      channels: channels.map { window in
        var window = window
        window.start -= start
        window.end -= start
        return window
      },
      reductions: reductions.map {
        Reduction(start: $0.start - start, left: $0.left, load: $0.load)
      })
  }

  /// The same without what makes no difference to a rank that begins at `clock`.
  func seen(at clock: Int64) -> CarriedStream {
    CarriedStream(
      end: max(clock, end),
      gathers: gathers.map { gather in
        Gather(moving: max(clock, gather.moving), end: max(clock, gather.end))
      },
      channels: channels.compactMap { window in
        guard window.end > clock else { return nil }
        var window = window
        window.start = max(clock, window.start)
        return window
      }, reductions: reductions)
  }

  /// The same with what its reductions have left once an action begins at `clock`.
  func reduced(until clock: Int64) -> CarriedStream {
    guard !reductions.isEmpty else { return self }
    var (carried, sharing) = (self, LinkSharing())
    for reduction in reductions { sharing.begin(reduction) }
    carried.reductions = sharing.left(at: clock)
    return carried
  }
}

extension ActionTemplate {
  /// A first gather of the action, which one before it has started.
  func span(of gather: CarriedStream.Gather, number: Int) -> Timeline.Span {
    guard case .run(let action) = item else {
      preconditionFailure("Overlapped pairs begin with their own gathers.")
    }
    let transfer = input.stages[action.stage].program(for: action.pass).transfers[number]
    return Timeline.Span(
      .transfer(Int32(number)), isForward: action.pass == .forward, stream: .data,
      start: gather.moving, end: gather.end,
      bytes: transfer.bytes(sent: { _ in 0 }, received: { _ in 0 }, rows: { ExchangeRows()($0) }))
  }
}

/// What an action does beside computing its stage: for the stream that runs on beneath actions.
public struct ActionPlace: Hashable, Sendable {
  /// It starts the reductions of its stage.
  public var isClosing = false
  /// It waits for the parameters that the step gathers.
  public var isOpening = false
  /// The action whose first gathers it starts.
  public var ahead: Action?
  /// Its own first gathers are under way when it begins.
  public var isGatheredAhead = false
}

extension StepInput {
  /// What an item of a pipeline rank does beside computing its stage.
  public func place(ofItem item: Int, on position: Int) -> ActionPlace {
    let program = ranks[position]
    return ActionPlace(
      isClosing: program.closingItems.contains(item),
      isOpening: program.openingItems.contains(item),
      ahead: program.gathersAhead.isEmpty ? nil : program.gathersAhead[item],
      isGatheredAhead: !program.isGatheredAhead.isEmpty && program.isGatheredAhead[item])
  }
}

extension RankProgram {
  /// A program of one item, to look at an action by itself.
  init(single item: Item, _ place: ActionPlace = ActionPlace()) {
    self.init(
      pipelineRank: 0, stages: [], items: [item], transfers: [],
      closingItems: place.isClosing ? [0] : [])
    openingItems = place.isOpening ? [0] : []
    gathersAhead = [place.ahead]
    isGatheredAhead = [place.isGatheredAhead]
  }
}
