import Collectives
import Engines
import MessagePassing
import Programs

extension SegmentGroup {
  /// By copy: the uses of the tensor whose gradients it holds, by their numbers.
  var terms: [[Int]] {
    holders.map { holder in uses.indices.filter { uses[$0].lanes.contains(holder) } }
  }

  /// The stages of its copies, each once.
  fileprivate var stages: [Int] {
    holders.map(\.stage).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

extension RankBackend {
  /// Starts the reduction of one segment over its copies: the direct rounds of `Collectives`.
  ///
  /// Every copy sends each other one the part of its gradients that the other folds, of each of its sums.
  /// The owner adds those of each use as a binary tree over lanes, then the uses in their order, and puts
  /// the sum in the place of its own gradients. With ZeRO stage 0 it then sends the sum to all copies.
  func startReduction(
    _ transfer: Transfer, stage: Int, isSharded: Bool
  ) throws -> any PendingTransfer {
    let segment = assignment.programs[stage].segments[transfer.segment]
    let group = assignment.groups[stage][transfer.segment]
    guard segment.shardGradient == nil, let staging = segment.contributions else {
      preconditionFailure("A reduction needs memory for what arrives, and happens in place.")
    }
    let sums = assignment.lanes.sums
    let chunks = chunks(of: segment)
    let terms = group.terms.map { uses in
      uses.flatMap { use in (0..<sums).map { use * sums + $0 } }
    }
    let members = members(transfer.segment, stage: stage, over: links.gradients)
    let memory = CollectiveInFlight.Memory(
      vector: gradients(of: segment, stage),
      terms: terms[members.own].map { term in
        let use = group.uses[term / sums]
        return (term, UnsafeMutableRawPointer(gradients(of: use, segment, stage, term % sums)))
      }, vectorsPerTerm: sums,
      staging: UnsafeMutableRawBufferPointer(
        start: floats(staging, stage), count: bytes(of: staging, stage)))
    let reduction = try startCollective(
      (isSharded ? Collective.reduceScatter : .allReduce).direct(chunks, terms: terms), members,
      memory,
      of: MessageOrigin(kind: .reduction, stage: stage, number: Int(segment.group.rawValue)))
    reductions.append(reduction)
    return CollectiveTransfer(.reduction, reduction)
  }

  /// Starts the gather of a segment's parameters from the ranks that updated them.
  func startGather(_ transfer: Transfer, stage: Int) throws -> any PendingTransfer {
    let program = assignment.programs[stage]
    let segment = program.segments[transfer.segment]
    let members = members(transfer.segment, stage: stage, over: links.gathers)
    let gather = try startCollective(
      Collective.allGather.direct(
        chunks(of: segment), terms: assignment.groups[stage][transfer.segment].terms), members,
      CollectiveInFlight.Memory(
        vector: floats(program.parameters[segment.parameters[0]].buffer, stage)),
      of: MessageOrigin(kind: .gather, stage: stage, number: Int(segment.group.rawValue)))
    return CollectiveTransfer(.gather, gather)
  }

  /// A segment's elements as bytes, by the copy that folds them.
  private func chunks(of segment: GradientSegment) -> Chunks {
    Chunks(lengths: segment.folds.map { $0.count * MemoryLayout<Float>.size })
  }

  /// A sum of the gradients of one use of a segment that this copy holds, as one piece.
  private func gradients(
    of use: SegmentGroup.Use, _ segment: GradientSegment, _ stage: Int, _ sum: Int
  ) -> UnsafeMutablePointer<Float> {
    let index = use.parameter < 0 ? segment.parameters[0] : use.parameter
    return floats(assignment.programs[stage].gradient(of: index, place: sum), stage)
  }

  private func bytes(of buffer: BufferID, _ stage: Int) -> Int {
    guard let memory = memory[stage] else { preconditionFailure("The stage is on this rank.") }
    return memory.bytes[index(buffer, stage, -1)]
  }

  /// The copies of a segment, with tags that no other segment's messages have between the same ranks.
  private func members(
    _ number: Int, stage: Int, over communicator: any Communicator
  ) -> CollectiveInFlight.Members {
    let group = assignment.groups[stage][number]
    let segment = assignment.programs[stage].segments[number]
    let counts = assignment.programs.map(\.segments.count)
    let (first, all) = (counts[..<stage].reduce(0, +), counts.reduce(0, +))
    let stages = group.stages.count
    let places = group.holders.map { group.stages.firstIndex(of: $0.stage) ?? 0 }
    // A rank may hold several copies of a shared tensor, each under the number of another stage.
    let isHead = segment.group == .sharedHead ? 1 : 0
    return CollectiveInFlight.Members(
      communicator, ranks: group.holders.map(\.rank), own: assignment.ownShare[stage][number]
    ) { source, destination in
      let tag =
        segment.isShared
        ? all + 2 * (places[source] * stages + places[destination]) + isHead : first + number
      return tag % (maximumTag + 1)
    }
  }
}
