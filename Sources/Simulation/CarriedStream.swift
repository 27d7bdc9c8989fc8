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

  /// The same, counted from another moment.
  func counted(from start: Int64) -> CarriedStream {
    CarriedStream(
      end: end - start,
      gathers: gathers.map { Gather(moving: $0.moving - start, end: $0.end - start) })
  }

  /// The same without what makes no difference to a rank that begins at `clock`.
  func seen(at clock: Int64) -> CarriedStream {
    CarriedStream(
      end: max(clock, end),
      gathers: gathers.map { gather in
        Gather(moving: max(clock, gather.moving), end: max(clock, gather.end))
      })
  }
}

/// What an action does beside computing its stage: for the stream that runs on beneath actions.
public struct ActionPlace: Hashable, Sendable {
  /// It starts the reductions of its stage.
  public var isClosing = false
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
      ahead: program.gathersAhead.isEmpty ? nil : program.gathersAhead[item],
      isGatheredAhead: !program.isGatheredAhead.isEmpty && program.isGatheredAhead[item])
  }
}
