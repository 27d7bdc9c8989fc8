/// Puts the numbers of the `chosen` largest of `values` in front, largest first.
///
/// Of equal values those are taken that PyTorch's top-k on CPUs takes, so that a checkpoint whose
/// router has saturated (sigmoids that are 1 to the last bit) has there the loss that it has here:
/// quickselect around a median of three down to three entries, which insertion sorts, as the C++
/// library's `nth_element` does (C. A. R. Hoare, Find, 1961; D. R. Musser, Introspective sorting,
/// 1997). PyTorch sorts by a heap where `64 · chosen ≤ count`; there, and between the chosen, of
/// equals the lower number comes first.
///
/// - Parameters:
///   - order: (count), overwritten by the numbers of all values.
///   - values: (count), none of them NaN.
func selectLargest(
  _ order: UnsafeMutablePointer<Int32>, _ values: UnsafePointer<Float>, count: Int, chosen: Int
) {
  precondition(chosen > 0 && chosen <= count, "some of the values are chosen")
  for index in 0..<count { order[index] = Int32(truncatingIfNeeded: index) }
  if 64 * chosen <= count {
    insertInOrder(order, values, count: count, kept: chosen)
  } else {
    quickselect(order, values, count: count, place: chosen - 1)
    insertInOrder(order, values, count: chosen, kept: chosen)
  }
}

/// Sorts the largest `kept` of the first `count` entries to the front, the lower number first of
/// equals.
private func insertInOrder(
  _ order: UnsafeMutablePointer<Int32>, _ values: Input, count: Int, kept: Int
) {
  for index in 0..<count {
    let entry = order[index]
    let value = values[Int(entry)]
    var place = min(index, kept)
    func precedes(_ other: Int32) -> Bool {
      let known = values[Int(other)]
      return value > known || value == known && entry < other
    }
    guard place > 0, precedes(order[place - 1]) else { continue }
    // What falls out of the sorted front takes the entry's place.
    order[index] = order[place - 1]
    place -= 1
    while place > 0, precedes(order[place - 1]) {
      order[place] = order[place - 1]
      place -= 1
    }
    order[place] = entry
  }
}

/// Rearranges entries until none behind `place` is larger than any up to it.
private func quickselect(
  _ order: UnsafeMutablePointer<Int32>, _ values: Input, count: Int, place: Int
) {
  func isLarger(_ a: Int, _ b: Int) -> Bool {
    values[Int(order[a])] > values[Int(order[b])]
  }
  func swap(_ a: Int, _ b: Int) { (order[a], order[b]) = (order[b], order[a]) }
  var (first, last) = (0, count)
  while last - first > 3 {
    let (a, b, c) = (first + 1, first + (last - first) / 2, last - 1)
    let median =
      isLarger(a, b)
      ? (isLarger(b, c) ? b : isLarger(a, c) ? c : a)
      : (isLarger(a, c) ? a : isLarger(b, c) ? c : b)
    swap(first, median)
    var (low, high) = (first + 1, last)
    while true {
      while isLarger(low, first) { low += 1 }
      high -= 1
      while isLarger(first, high) { high -= 1 }
      if low >= high { break }
      swap(low, high)
      low += 1
    }
    if low <= place { first = low } else { last = low }
  }
  for index in first..<last {
    let entry = order[index]
    let value = values[Int(entry)]
    var target = index
    while target > first, value > values[Int(order[target - 1])] {
      order[target] = order[target - 1]
      target -= 1
    }
    order[target] = entry
  }
}
