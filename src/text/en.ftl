### Texts in English. The same messages stand in nl.ftl.

## Every page

page-skip = Skip to the content
page-language = Language
page-help = Help
page-privacy = Privacy
page-accessibility = Accessibility
