// The room Planning.
