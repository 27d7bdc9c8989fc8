import Clusters
import Models
import Plans

extension Plan {
  /// The plan with a balanced layout turned into explicit counts of units, by what their passes take on a
  /// cluster: the cut that a search has; any other plan as it is.
  ///
  /// The slowest stage is as fast as contiguous stages allow; of equal cuts the one that fills early
  /// stages least. Complexity: units times stages.
  ///
  /// - Throws: `ConfigurationError` if the cluster lacks a constant, `PlanError` if there are fewer units
  ///   than stages.
  public func balanced(for architecture: Architecture, on cluster: Cluster) throws -> Plan {
    guard layout == .balanced else { return self }
    var plan = self
    plan.layout = .even
    _ = try plan.stageLayout(of: architecture)
    var kernels = KernelSetting(plan)
    let firstLayers = plan.recomputation.firstLayers ?? 0
    if firstLayers > 0 { kernels.recomputation = .none }
    let counts = try CostBook([plan], architecture, cluster).balancedCounts(
      kernels, stages: stageCount,
      hasPairs: plan.schedule.hasPairs(plan.overlap.expertExchange), firstLayers: firstLayers)
    plan.layout = .units(counts)
    return plan
  }
}

extension KernelSetting {
  /// What of a plan decides its kernels, the plan itself being the only base.
  init(_ plan: Plan) {
    self.init(
      base: 0, tensor: plan.tensorParallel, context: plan.contextParallel,
      expert: plan.expertParallel, expertTensor: plan.expertTensorParallel,
      microbatch: plan.microbatchSize, sequenceParallel: plan.sequenceParallel,
      recomputation: plan.recomputation, dispatcher: plan.dispatcher,
      communicationSMs: plan.communicationSMs, tensorExchange: plan.overlap.tensorExchange)
  }
}

/// Cuts a row of costs into contiguous parts so that the largest sum is as small as possible.
///
/// Gives the number of entries in each part; every part has at least one.
///
/// - Parameters:
///   - again: what entries cost beside that where they are among the first of their part; those that cost
///     nothing beside it are passed over.
///   - first: how many are.
package func evenestCut(
  of costs: [Double], into parts: Int, again: [Double] = [], ofFirst first: Int = 0
) -> [Int] {
  precondition(parts > 0 && costs.count >= parts, "Every part needs an entry.")
  var sums = [0.0]
  for cost in costs { sums.append(sums[sums.count - 1] + cost) }
  let count = costs.count
  let repeated = RepeatedCosts(again, ofFirst: first, of: count)
  func cost(_ start: Int, _ end: Int) -> Double {
    sums[end] - sums[start] + repeated.cost(start, end)
  }
  // best[p][n]: the smallest possible largest sum of the first n entries in p + 1 parts.
  var best = [(0...count).map { cost(0, $0) }]
  var cuts: [[Int]] = [Array(repeating: 0, count: count + 1)]
  for part in 1..<max(parts, 1) {
    var row = [Double](repeating: .infinity, count: count + 1)
    var cut = [Int](repeating: 0, count: count + 1)
    let fewer = best[part - 1]
    var first = part
    // Every part behind it needs an entry, and the last one ends with all.
    let last = count - (parts - 1 - part)
    for end in stride(from: part == parts - 1 ? count : part + 1, through: last, by: 1) {
      // Of more entries the last part begins no earlier, and none is better that begins behind one whose entries
      // before it are too many already.
      for start in first..<end {
        let largest = max(fewer[start], cost(start, end))
        if largest < row[end] {
          row[end] = largest
          cut[end] = start
        }
        if fewer[start] >= row[end] { break }
      }
      // A part that begins later may cost more where it has more to repeat.
      if repeated.isNothing { first = max(first, cut[end]) }
    }
    best.append(row)
    cuts.append(cut)
  }
  var counts: [Int] = []
  var end = count
  for part in stride(from: parts - 1, through: 0, by: -1) {
    let start = part == 0 ? 0 : cuts[part][end]
    counts.append(end - start)
    end = start
  }
  return counts.reversed()
}

/// What the first entries of a part cost again.
private struct RepeatedCosts {
  /// Sums over the entries that cost something, and how many of them lie before each entry.
  private var sums = [0.0]
  private var before = [0]
  private let most: Int

  init(_ again: [Double], ofFirst most: Int, of count: Int) {
    self.most = again.isEmpty ? 0 : most
    for entry in 0..<count {
      let cost = again.isEmpty ? 0 : again[entry]
      if cost > 0 { sums.append(sums[sums.count - 1] + cost) }
      before.append(sums.count - 1)
    }
  }

  var isNothing: Bool { most == 0 }

  /// Of the part from `start` up to `end`.
  func cost(_ start: Int, _ end: Int) -> Double {
    isNothing ? 0 : sums[min(before[end], before[start] + most)] - sums[before[start]]
  }
}
