import poold

raise poold.Unusable("it needs a newer kernel")
