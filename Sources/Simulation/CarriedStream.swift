import Engines
import Programs
import Schedules

/// What a rank's data stream still carries when an action begins: transfers that actions before it have
/// started.
struct CarriedStream: Hashable, Sendable {
  /// A gather whose parameters the action begins with.
  struct Gather: Hashable, Sendable {
    var moving: Int64
    var end: Int64
  }

  /// When the stream is idle again.
  var end: Int64 = 0
  /// The action's first gathers, where one before it has started them.
  var gathers: [Gather] = []
  /// What its transfers take of the device.
  var channels: [OccupiedChannels.Window] = []

  /// The same, counted from another moment.
  func counted(from start: Int64) -> CarriedStream {
    CarriedStream(
      end: end - start,
      gathers: gathers.map { Gather(moving: $0.moving - start, end: $0.end - start) },
      channels: channels.map { window in
        OccupiedChannels.Window(
          start: window.start - start, end: window.end - start, count: window.count)
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
        return OccupiedChannels.Window(
          start: max(clock, window.start), end: window.end, count: window.count)
      })
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
