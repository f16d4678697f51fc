"""KirchhoffNet: circuits that obey Kirchhoff's current law, integrated as neural ODEs."""
