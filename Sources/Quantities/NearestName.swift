/// The names among `candidates` that a person who wrote `name` most likely meant, as a phrase: `a`, `a or b`,
/// `a, b or c`; nil where none is near.
public func nearestName(to name: String, among candidates: [String]) -> String? {
  alternatives(nearestNames(to: name, among: candidates))
}

/// Names as a phrase: `a, b or c`; nil where there are none.
public func alternatives(_ names: [String]) -> String? {
  guard let last = names.last else { return nil }
  return names.count == 1 ? last : names.dropLast().joined(separator: ", ") + " or \(last)"
}

/// The names among `candidates` that a person who wrote `name` most likely meant, six at most.
///
/// Letter case and `-` against `_` are free. The first of these that there is: the same number's format by its other
/// name (`bfloat16`, which is one edit from `float16` and is not meant so); the name that is one edit away
/// (insert, delete, replace, swap two neighbours); those that begin with what was written, from three letters
/// on; those that contain it; the first of those that are fewest edits away, and no more than a third of the
/// longer length; those that have all of its words. Shorter names go first. Time grows with the product of the
/// lengths; names over 64 characters have no neighbour.
public func nearestNames(to name: String, among candidates: [String]) -> [String] {
  let wanted = folded(name)
  guard !wanted.isEmpty, wanted.count <= 64 else { return [] }
  if let meant = otherNames[name.lowercased()], candidates.contains(meant) { return [meant] }
  let fewest = fewestEdits(to: wanted, among: candidates)
  if let fewest, fewest.distance <= 1 { return [fewest.name] }
  var seen: Set<String> = []
  let names = candidates.filter { seen.insert($0).inserted }
  let parts = [begins(_:with:), contains(_:_:)].lazy.map { test in
    wanted.count < 3 ? [] : names.filter { test(folded($0), wanted) }
  }
  if let near = parts.first(where: { !$0.isEmpty }) { return firstShortest(near) }
  if let fewest { return [fewest.name] }
  return firstShortest(names.filter { hasWords(of: wanted, folded($0)) })
}

/// What other programs call formats of numbers, beside the names here.
private let otherNames = [
  "bfloat16": "bf16", "fp16": "float16", "half": "float16", "fp32": "float32", "single": "float32",
  "tensorfloat32": "tf32",
]

private func begins(_ name: [UInt8], with start: [UInt8]) -> Bool { name.starts(with: start) }

private func contains(_ name: [UInt8], _ part: [UInt8]) -> Bool {
  name.count >= part.count
    && (0...name.count - part.count).contains { name[$0...].starts(with: part) }
}

private func firstShortest(_ names: [String]) -> [String] {
  let order = names.indices.sorted { (names[$0].utf8.count, $0) < (names[$1].utf8.count, $1) }
  return order.prefix(6).map { names[$0] }
}

private func fewestEdits(
  to wanted: [UInt8], among candidates: [String]
) -> (name: String, distance: Int)? {
  var best: (name: String, distance: Int)?
  for candidate in candidates {
    let letters = folded(candidate)
    guard letters.count <= 64 else { continue }
    let allowed = max(1, max(wanted.count, letters.count) / 3)
    guard abs(wanted.count - letters.count) <= allowed else { continue }
    let distance = editDistance(wanted, letters)
    if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best
}

/// Whether a name has all words of another: `num-hidden-layers` those of `num-layers`.
private func hasWords(of wanted: [UInt8], _ name: [UInt8]) -> Bool {
  func words(_ letters: [UInt8]) -> Set<ArraySlice<UInt8>> {
    Set(letters.split { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
  }
  let all = words(wanted)
  return !all.isEmpty && all.isSubset(of: words(name))
}

private func folded(_ name: String) -> [UInt8] {
  name.utf8.map { byte in
    if byte == UInt8(ascii: "_") { return UInt8(ascii: "-") }
    return byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}

/// Damerau's distance restricted to swaps of untouched neighbours.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  for row in 1...max(1, left.count) where row <= left.count {
    var current = [row] + [Int](repeating: 0, count: right.count)
    for column in 1...max(1, right.count) where column <= right.count {
      let change = left[row - 1] == right[column - 1] ? 0 : 1
      var distance = min(
        last[column] + 1, current[column - 1] + 1, last[column - 1] + change)
      if row > 1, column > 1, left[row - 1] == right[column - 2],
        left[row - 2] == right[column - 1]
      {
        distance = min(distance, beforeLast[column - 2] + 1)
      }
      current[column] = distance
    }
    (beforeLast, last) = (last, current)
  }
  return last[right.count]
}
