/// Copies that divide their state in groups, which are copies of each other.
extension LoweringSetting {
  /// Ranks that divide the state of a tensor among them.
  func shards(isExpert: Bool) -> Int {
    isExpert ? expertShards ?? expertCopies : gradientShards ?? gradientCopies
  }

  /// Those ranks: all copies, or a group of them.
  func dividing(isExpert: Bool) -> TransferKind.Group {
    guard equal(isExpert: isExpert) != nil else { return isExpert ? .expertGradient : .gradient }
    return isExpert ? .expertShards : .gradientShards
  }

  /// The ranks that own the same shard; nil where there is one of each.
  func equal(isExpert: Bool) -> TransferKind.Group? {
    guard shards(isExpert: isExpert) < (isExpert ? expertCopies : gradientCopies) else {
      return nil
    }
    return isExpert ? .expertReplicas : .gradientReplicas
  }

  /// The ranks that divide a segment's state and those that own equal parts of it; nil where all copies
  /// divide it, which is also so of a tensor with uses on several stages.
  func dividing(
    _ segment: GradientSegment
  ) -> (dividing: TransferKind.Group, equal: TransferKind.Group, isExpert: Bool)? {
    let isExpert = segment.group == .expertGradient
    if segment.isShared, segment.copies != gradientCopies { return nil }
    return equal(isExpert: isExpert).map { (dividing(isExpert: isExpert), $0, isExpert) }
  }
}
