import Programs
import Schedules

/// Replicas of the pipeline that do the same at the same times, of which one stands for all.
///
/// Replicas meet within actions, consecutive ones in groups of equal size, and in reductions and gathers.
/// Where these join either all groups or none, two groups differ by nothing but their devices, their links
/// and their ways to pipeline neighbours: groups that are equal in them stay equal throughout the step.
struct ReplicaClasses {
  /// What tells a rank from one of the same position in another group.
  private struct Traits: Hashable {
    var slowness: Double
    var linkSlowness: LinkSlowness
    /// To each position to which it sends.
    var messages: [MessagePrice]
  }

  /// The replicas of the first group of every class, in ascending order; all of them where reductions join
  /// some groups and not others.
  let representatives: [Int]
  /// By replica, the one of `representatives` that stands for it.
  let standIns: [Int]

  /// - Parameters:
  ///   - slowness: of each rank's device, by rank of the world.
  ///   - linkSlowness: of each rank's links.
  init(
    _ input: StepInput, _ pricing: some Pricing, slowness: [Double], linkSlowness: [LinkSlowness]
  ) {
    let replicas = input.plan.worldSize / input.ranks.count
    let size = input.plan.mesh.ranksPerAction
    guard Self.joinsAllOrNone(input, replicas: replicas, size: size) else {
      representatives = Array(0..<replicas)
      standIns = representatives
      return
    }
    let receivers = input.ranks.map { rank in
      Set(rank.transfers.lazy.filter(\.isSend).map(\.peer)).sorted()
    }
    // The same number for the same traits.
    var numbers: [Traits: Int] = [:]
    /// The first replica of each class's first group.
    var seen: [[Int]: Int] = [:]
    var found: [Int] = []
    var standIns: [Int] = []
    for first in stride(from: 0, to: replicas, by: size) {
      var group: [Int] = []
      group.reserveCapacity(input.ranks.count * size)
      for position in input.ranks.indices {
        for replica in first..<first + size {
          let rank = position * replicas + replica
          let traits = Traits(
            slowness: slowness.isEmpty ? 1 : slowness[rank],
            linkSlowness: linkSlowness.isEmpty ? LinkSlowness() : linkSlowness[rank],
            messages: receivers[position].map {
              pricing.price(ofMessage: 1, from: position, to: $0, replica: replica)
            })
          let number = numbers[traits] ?? numbers.count
          numbers[traits] = number
          group.append(number)
        }
      }
      if seen[group] == nil {
        seen[group] = first
        found += first..<first + size
      }
      let standIn = seen[group] ?? first
      standIns += standIn..<standIn + size
    }
    representatives = found
    self.standIns = standIns
  }

  /// Whether every collective outside of actions either joins ranks of all groups or stays in one.
  private static func joinsAllOrNone(_ input: StepInput, replicas: Int, size: Int) -> Bool {
    var kinds: Set<TransferKind.Group> = []
    for stage in input.stages {
      for transfer in stage.reduce.transfers + stage.update.transfers + stage.gather.transfers {
        switch transfer.kind {
        case .allGather(let of), .reduceScatter(let of), .allReduce(let of): kinds.insert(of)
        default: break
        }
      }
    }
    return kinds.allSatisfy { kind in
      var groups: [Int: Set<Int>] = [:]
      for replica in 0..<replicas {
        groups[input.part(of: replica, kind), default: []].insert(replica / size)
      }
      return groups.values.allSatisfy { $0.count == 1 }
        || groups.values.allSatisfy { $0.count == replicas / size }
    }
  }
}
