import Engines
import Kernels
import MessagePassing
import Programs

/// The reduction of one segment over its copies: the "direct" rounds.
///
/// Every copy sends each other one the part of its gradients that the other folds. The owner adds
/// contributions of each use as a balanced binary tree over lanes, then the uses in their order, and puts
/// the sum in the place of its own gradients. With ZeRO stage 0 it then sends the sum to all copies.
///
/// Buckets of one group have the same tag: between two ranks messages with one tag keep their order, and
/// all copies start a stage's buckets in the same order.
final class ReductionInFlight: PendingTransfer {
  let kind = Ledger.MessageKind.reduction
  private let stage: Int
  private let segment: GradientSegment
  private let group: SegmentGroup
  private let own: Int
  private let isSharded: Bool
  private var requests = RequestGroup()
  private var second = RequestGroup()
  private(set) var isFolded = false
  /// Where each use's lanes lie; those of this copy itself in its own gradients.
  private var lanes: [[UnsafeMutablePointer<Float>]] = []
  /// Where the sums of the whole segment lie: the gradients of its first use.
  private let sums: UnsafeMutablePointer<Float>

  init(_ backend: RankBackend, stage: Int, segment index: Int, isSharded: Bool) throws {
    let assignment = backend.assignment
    self.stage = stage
    self.isSharded = isSharded
    segment = assignment.programs[stage].segments[index]
    group = assignment.groups[stage][index]
    own = assignment.ownShare[stage][index]
    guard segment.shardGradient == nil, let staging = segment.contributions else {
      preconditionFailure("A reduction needs memory for what arrives, and happens in place.")
    }
    sums = backend.gradients(of: segment, stage)
    try receive(backend, into: backend.floats(staging, stage))
    try send(backend)
  }

  deinit {
    requests.abandon()
    second.abandon()
  }

  private func tag(_ backend: RankBackend, source: Int, target: Int) -> Int {
    let stages = backend.assignment.programs.count
    let tag = (source * stages + target) * 4 + segment.group.number
    precondition(tag <= maximumTag, "a message has a tag for its use and stage")
    return tag
  }

  /// The gradients of a use that this copy holds, as one piece.
  private func gradients(_ backend: RankBackend, _ use: SegmentGroup.Use)
    -> UnsafeMutablePointer<Float>
  {
    let parameters = backend.assignment.programs[stage].parameters
    let index = use.parameter < 0 ? segment.parameters[0] : use.parameter
    return backend.floats(parameters[index].gradient, stage)
  }

  private func receive(
    _ backend: RankBackend, into staging: UnsafeMutablePointer<Float>
  ) throws {
    let range = segment.folds[own]
    var next = staging
    let me = group.holders[own]
    for (number, use) in group.uses.enumerated() {
      lanes.append([])
      for holder in use.lanes {
        if holder == me {
          lanes[number].append(gradients(backend, use) + range.lowerBound)
          continue
        }
        lanes[number].append(next)
        if range.isEmpty { continue }
        requests.add(
          try backend.links.gradients.startReceive(
            into: UnsafeMutableBufferPointer(start: next, count: range.count),
            from: holder.rank, tag: tag(backend, source: number, target: stage)))
        next += range.count
      }
    }
  }

  private func send(_ backend: RankBackend) throws {
    let me = group.holders[own]
    for shift in 1..<group.holders.count {
      let target = (own + shift) % group.holders.count
      let holder = group.holders[target]
      let range = segment.folds[target]
      if range.isEmpty { continue }
      for (number, use) in group.uses.enumerated() where use.lanes.contains(me) {
        let part = UnsafeBufferPointer(
          start: gradients(backend, use) + range.lowerBound, count: range.count)
        requests.add(
          try backend.startSend(
            UnsafeRawBufferPointer(part), to: holder.rank,
            tag: tag(backend, source: number, target: holder.stage),
            over: backend.links.gradients, .reduction, stage: stage,
            number: Int(segment.group.rawValue)))
      }
    }
  }

  /// Waits for the contributions and adds them up.
  func fold(_ backend: RankBackend) throws {
    guard !isFolded else { return }
    isFolded = true
    try requests.waitAll()
    let range = segment.folds[own]
    for lanes in lanes {
      for pair in treePairs(lanes.count) {
        add(lanes[pair.into], lanes[pair.into], lanes[pair.from], count: range.count)
      }
    }
    // One of the other uses may lie where the sum will.
    let sum = lanes[0][0]
    for use in lanes.dropFirst() { add(sum, sum, use[0], count: range.count) }
    let target = sums + range.lowerBound
    if sum != target { copy(target, sum, count: range.count) }
    if !isSharded { try spread(backend) }
  }

  /// Sends the folded part to all copies and starts to receive theirs.
  private func spread(_ backend: RankBackend) throws {
    let mine = segment.folds[own]
    for (target, holder) in group.holders.enumerated() where target != own {
      if !mine.isEmpty {
        let part = UnsafeBufferPointer(start: sums + mine.lowerBound, count: mine.count)
        second.add(
          try backend.startSend(
            UnsafeRawBufferPointer(part), to: holder.rank,
            tag: tag(backend, source: stage, target: holder.stage), over: backend.links.gathers,
            .reduction, stage: stage, number: Int(segment.group.rawValue)))
      }
      let range = segment.folds[target]
      if !range.isEmpty {
        second.add(
          try backend.links.gathers.startReceive(
            into: UnsafeMutableBufferPointer(start: sums + range.lowerBound, count: range.count),
            from: holder.rank, tag: tag(backend, source: holder.stage, target: stage)))
      }
    }
  }

  /// All reductions of a rank are folded before the first is waited for to its end: another rank may
  /// need any of them.
  func finish(_ backend: RankBackend) throws {
    for reduction in backend.reductions { try reduction.fold(backend) }
    backend.reductions = []
    try second.waitAll()
  }
}

/// The gather of a segment's parameters from the ranks that updated them.
final class GatherInFlight: PendingTransfer {
  let kind = Ledger.MessageKind.gather
  private var requests = RequestGroup()

  init(_ backend: RankBackend, stage: Int, segment index: Int) throws {
    let assignment = backend.assignment
    let segment = assignment.programs[stage].segments[index]
    let group = assignment.groups[stage][index]
    let own = assignment.ownShare[stage][index]
    let parameter = assignment.programs[stage].parameters[segment.parameters[0]]
    let memory = backend.floats(parameter.buffer, stage)
    let stages = assignment.programs.count
    func tag(_ source: Int, _ target: Int) -> Int {
      (source * stages + target) * 4 + segment.group.number
    }
    let mine = segment.shards[own]
    for shift in 1..<group.holders.count {
      let target = (own + shift) % group.holders.count
      let holder = group.holders[target]
      let range = segment.shards[target]
      if !range.isEmpty {
        requests.add(
          try backend.links.gathers.startReceive(
            into: UnsafeMutableBufferPointer(start: memory + range.lowerBound, count: range.count),
            from: holder.rank, tag: tag(holder.stage, stage)))
      }
      if !mine.isEmpty {
        let part = UnsafeBufferPointer(start: memory + mine.lowerBound, count: mine.count)
        requests.add(
          try backend.startSend(
            UnsafeRawBufferPointer(part), to: holder.rank, tag: tag(stage, holder.stage),
            over: backend.links.gathers, .gather, stage: stage,
            number: Int(segment.group.rawValue)))
      }
    }
  }

  deinit { requests.abandon() }

  func finish(_ backend: RankBackend) throws { try requests.waitAll() }
}

extension TransferKind.Group {
  /// Tells the segments of one stage apart.
  fileprivate var number: Int {
    switch self {
    case .gradient: 0
    case .expertGradient: 1
    case .sharedEmbedding: 2
    default: 3
    }
  }
}
