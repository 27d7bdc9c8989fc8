/// One computation of max-min fair rates among the flows that a change affects.
///
/// All rates rise together; where a link is full, its flows stop; where a flow reaches its limit, it
/// stops alone. Takes time proportional to the uses of links by affected flows, times a logarithm.
struct ProgressiveFilling {
  /// A binding link among those affected.
  private struct Level: Comparable {
    /// The rate at which the link would be full, as of when it was entered.
    let rate: Double
    let link: Int

    static func < (left: Level, right: Level) -> Bool {
      (left.rate, left.link) < (right.rate, right.link)
    }
  }

  private var flowRate: [Double] = []
  private var isAffected: [Bool] = []
  private var isEntered: [Bool] = []
  private var spare: [Double] = []
  private var rising: [Int] = []
  private var levels = MinimumHeap<Level>()

  /// Rates of all flows that a change can have affected, in the order in which they were found.
  mutating func rates(
    links: [SharedLink], flows: [SharedFlow], changedFlows: [Int], changedLinks: [Int]
  ) -> [(slot: Int, rate: Double)] {
    grow(links: links.count, flows: flows.count)
    let (affected, entered) = component(
      links: links, flows: flows, changedFlows: changedFlows, changedLinks: changedLinks)
    fill(links: links, flows: flows, affected: affected, entered: entered)
    for slot in affected { isAffected[slot] = false }
    for link in entered { isEntered[link] = false }
    return affected.map { ($0, flowRate[$0]) }
  }

  private mutating func grow(links: Int, flows: Int) {
    while isAffected.count < flows {
      isAffected.append(false)
      flowRate.append(0)
    }
    while isEntered.count < links {
      isEntered.append(false)
      spare.append(0)
      rising.append(0)
    }
  }

  /// The flows joined to the changes through binding links, and those links.
  private mutating func component(
    links: [SharedLink], flows: [SharedFlow], changedFlows: [Int], changedLinks: [Int]
  ) -> (flows: [Int], links: [Int]) {
    var affected: [Int] = []
    var entered: [Int] = []
    for link in changedLinks {
      for use in links[link].uses where !isAffected[use.flow] {
        isAffected[use.flow] = true
        affected.append(use.flow)
      }
    }
    // A place that was freed and taken again since appears twice.
    for slot in changedFlows where !isAffected[slot] && !flows[slot].links.isEmpty {
      isAffected[slot] = true
      affected.append(slot)
    }
    var position = 0
    while position < affected.count {
      for link in flows[affected[position]].links
      where !isEntered[link] && links[link].isBinding {
        isEntered[link] = true
        entered.append(link)
        for use in links[link].uses where !isAffected[use.flow] {
          isAffected[use.flow] = true
          affected.append(use.flow)
        }
      }
      position += 1
    }
    return (affected, entered)
  }

  private mutating func fill(
    links: [SharedLink], flows: [SharedFlow], affected: [Int], entered: [Int]
  ) {
    levels.removeAll()
    for link in entered {
      spare[link] = links[link].capacity
      rising[link] = links[link].uses.count
      levels.insert(Level(rate: spare[link] / Double(rising[link]), link: link))
    }
    for slot in affected { flowRate[slot] = -1 }
    // Most often all limits are equal, those of adapters: then any order will do.
    let limit = affected.first.map { flows[$0].limit }
    let isUniform = affected.allSatisfy { flows[$0].limit == limit }
    let byLimit =
      isUniform
      ? affected
      : affected.sorted { left, right in
        (flows[left].limit, left) < (flows[right].limit, right)
      }
    for slot in byLimit where flowRate[slot] < 0 {
      while flowRate[slot] < 0, let level = levels.first, level.rate < flows[slot].limit {
        _ = levels.removeFirst()
        guard rising[level.link] > 0 else { continue }
        // Flows that stopped elsewhere since have left more for the others, never less.
        let rate = max(level.rate, spare[level.link] / Double(rising[level.link]))
        guard rate <= level.rate * (1 + 1e-12) else {
          levels.insert(Level(rate: rate, link: level.link))
          continue
        }
        for use in links[level.link].uses where flowRate[use.flow] < 0 {
          stop(use.flow, at: level.rate, flows[use.flow].links)
        }
      }
      if flowRate[slot] < 0 { stop(slot, at: flows[slot].limit, flows[slot].links) }
    }
  }

  private mutating func stop(_ slot: Int, at rate: Double, _ path: [Int]) {
    flowRate[slot] = rate
    for link in path where isEntered[link] {
      spare[link] -= rate
      rising[link] -= 1
    }
  }
}
